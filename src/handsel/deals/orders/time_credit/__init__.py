"""Hours instead of money: ``time_credit``.

An hour of anybody's work is an hour of anybody else's. Hours are counted in minutes on accounts
of their own (``money.account_kinds``: time), which sum to zero for ever; whoever comes with nothing
may take ten hours before giving one. No fee, no card, no bank, no limit in money: it takes two
people whom we know (T1), and says nothing about credit.
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit
from handsel.deals.orders.time_credit.rules import ACTIONS, GUARDS

KIT = Kit(Path(__file__).parent, GUARDS, ACTIONS)
