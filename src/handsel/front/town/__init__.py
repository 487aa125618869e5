"""The sample town: a few people of Edinburgh, and two months of what they did for each other.

Not inserted but lived: members list, fund, deliver and review through the services, under a clock
that begins in the past and arrives at the present; so scores, tiers, limits, ledger and timelines
are what they would be. Deterministic by its seed; nobody in it is real.
"""
