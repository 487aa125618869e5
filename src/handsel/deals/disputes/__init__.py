"""Disputes: two people who do not agree about an order, and how they come to an end.

Owns the dispute's row, its timers, its offers, its evidence and its timeline; ``dispute.v1.toml``
says what may happen, checked and run by the same engine as orders. The money never leaves the
order: it waits there, and at the end the order is told one split of exactly what waits
(``orders_port``).

What holds here: every stage has a deadline and a declared outcome of silence, also of the staff's;
evidence is only ever added; whatever staff look at beyond the case itself stands in the timeline of
both parties; a score hears of a dispute only when it is resolved, sized by fault.
"""
