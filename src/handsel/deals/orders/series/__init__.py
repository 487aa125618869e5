"""Series: the same service again and again, under one mandate.

Owns the planned dates, the mandate and what was charged under it. No charge lies outside of the
mandate: the database adds them up under its lock. Each occurrence is an order of the process
``service``, opened a week ahead and paid for two days ahead by the worker.
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit
from handsel.deals.orders.series.guards import GUARDS, WRITES

KIT = Kit(Path(__file__).parent, GUARDS, writes=WRITES)
