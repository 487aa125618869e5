"""Pay after: the work comes first, and the buyer pays within days. Here credit is really given.

Owns the promise (a limit by tier on all that a member may owe), what falls due, and the debts of
those who did not pay: collected out of their later income, until they are paid or written off.
The seller bears the risk and accepts each such order knowing it; the house takes no fee on a debt.
"""

from handsel.deals.orders.pay_after.kit import KIT

__all__ = ["KIT"]
