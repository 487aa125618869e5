"""Jobs whose price is found together: a request, offers, counter-offers, agreement, milestones.

Owns the offers, which are never changed: whoever accepts names the hash of what is accepted, and
that offer alone becomes the terms. The agreed job is an order without money (``negotiated``); each
of its milestones is an order of its own with a hold of its own (``milestone``).
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit
from handsel.deals.orders.negotiated.guards import GUARDS

KIT = Kit(Path(__file__).parent, GUARDS, terms=frozenset({"offer_validity"}))
