"""Later income pays debts: oldest first, and no more than has just been earned."""

from uuid import UUID

from handsel.deals.orders import moving
from handsel.deals.orders.schemas import TransitionInput
from handsel.foundation.db.uow import Tx


async def collect(tx: Tx, member_id: UUID, earned_minor: int, unit: str) -> int:
    """Take what a member has just earned for what they owe; how much was taken.

    Money that came by card is not touched, nor what was there before: it was not earned now.
    """
    free = await tx.fetchval(
        "SELECT balance - restricted FROM money.accounts"
        " WHERE kind = 'wallet' AND owner_id = $1 AND unit = $2 AND state = 'open'",
        member_id,
        unit,
    )
    rest = left = min(earned_minor, free or 0)
    debts = await tx.fetch(
        "SELECT order_id, amount - paid AS owed FROM deals.debts"
        " WHERE debtor_id = $1 AND unit = $2 AND closed_at IS NULL ORDER BY opened_at, order_id",
        member_id,
        unit,
    )
    for debt in debts:
        part = min(left, debt["owed"])
        if part <= 0:
            break
        whole = part == debt["owed"]
        data = TransitionInput(name="collect_rest" if whole else "collect_part", amount_minor=part)
        event = "debt.rest" if whole else "debt.part"
        if await moving.system_move(tx, debt["order_id"], on=event, data=data):
            left -= part
    return rest - left
