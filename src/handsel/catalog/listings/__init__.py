"""Storefronts, listings and the categories that rule them.

Owns ``catalog.storefronts``, ``catalog.listings`` and the tables of the import. What holds here: a
member has at most one storefront; a listing moves only along ``states.TRANSITIONS``; a live listing
passed ``policy.blockers`` when it was last changed; the true point of a listing leaves this package
only towards its owner, everybody else (search too) sees the published point; every change that
search must see emits ``listing.changed`` in its own transaction; ``version`` grows by one with each
change. Orders lock a listing by ``service.for_order``.
"""
