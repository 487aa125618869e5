"""Reviews: what the two sides of a settled order say of each other, once each.

Owns ``deals.reviews`` and ``deals.confidences`` (what an author tells the house alone; nobody is
ever shown it). What holds here: neither side reads the other's review before both are written or
the fourteen days are over; a published review is never changed; its subject replies once. Whoever
scores takes ``weight_bps``, fixed at publication, and not the stars alone: reviews are easily
bought, so risk is never judged by them. ``front/worker`` publishes what is due.
"""
