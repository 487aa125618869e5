"""Money from one member to another that buys nothing: ``instant_transfer``.

Nothing arrives before the payer's time to take it back is over, and to somebody whom one never
dealt with not before two hours, the first time a day. It is no sale: no fee, no hold period, no
review, no track record. What came by card arrives as card money, to be spent and not withdrawn;
what was earned may be withdrawn, as the giver might have done. The recipient may decline.
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit
from handsel.deals.orders.transfer.rules import ACTIONS, GUARDS

KIT = Kit(
    Path(__file__).parent,
    GUARDS,
    ACTIONS,
    terms=frozenset({"revocable_for"}),
    stopped=frozenset({"arrive"}),
)
