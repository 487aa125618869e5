"""What members owe is not owed for ever: after a time the protection fund bears it, as far as it
reaches, and then the house.

Repayments pay the oldest debt first, so what is left of old debts is what is owed less what was
added since. Nothing is remembered for it: the ledger tells it.
"""

from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import reserve
from handsel.money.escrow.chargebacks import queries
from handsel.money.escrow.chargebacks.deciding import fund_left
from handsel.money.escrow.chargebacks.queries import Bearers
from handsel.money.escrow.chargebacks.waterfall import policy, take
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

_OLD = """
SELECT * FROM (
    SELECT a.owner_id, a.unit, -a.balance AS owed, -a.balance - coalesce((
        SELECT sum(t.amount) FROM money.transfers t
         WHERE t.debit_account = a.id AND t.booked_at > $1), 0)::bigint AS old
      FROM money.accounts a WHERE a.kind = 'receivable' AND a.balance < 0 AND a.state = 'open'
       AND ($2::uuid IS NULL OR a.owner_id = $2 AND a.unit = $3)) AS debt
 WHERE old > 0 ORDER BY owner_id, unit LIMIT $4
"""


async def old_debts(tx: Tx, limit: int = 200) -> list[tuple[UUID, str]]:
    """(member, unit) of those who owe something for too long."""
    before = tx.now - policy().write_off_after
    rows = await tx.fetch(_OLD, before, None, None, limit)
    return [(row["owner_id"], row["unit"]) for row in rows]


async def write_off(tx: Tx, member: UUID, unit: str) -> int:
    """Write off what is too old of a member's debt; how much. Again, it finds nothing.

    What they have pays first, as much of the debt as it can.
    """
    bearers = await queries.lock_bearers(tx, [member], unit)
    row = await tx.fetchrow(_OLD, tx.now - policy().write_off_after, member, unit, 1)
    if row is None:
        return 0
    owed = Account("receivable", member, unit)
    amount: int = row["old"] - _repay(tx, owed, row["owed"], bearers)
    if amount <= 0:
        return 0
    from_fund = max(min(amount, await fund_left(tx, unit)), 0)
    parts = (("protection_fund", from_fund), ("losses", amount - from_fund))
    ledger.post(
        tx,
        [
            Transfer(Account(kind, HOUSE, unit), owed, part, "written_off")
            for kind, part in parts
            if part
        ],
        member,
    )
    tx.emit(
        "debt.written_off",
        member,
        {"member_id": member, "amount_minor": amount, "currency": unit, "from_fund": from_fund},
    )
    return amount


def _repay(tx: Tx, owed: Account, amount: int, bearers: Bearers) -> int:
    """Pay a debt out of reserve and wallet, but for card money; how much."""
    there = {
        (member, kind): balance - (bearers.restricted.get(member, 0) if kind == "wallet" else 0)
        for (member, kind), balance in bearers.balances.items()
    }
    takes, _ = take([(owed.owner, amount)], there)
    for part in takes:
        if part.kind == "reserve":
            reserve.take(tx, part.member, owed.unit, part.amount)
    sources = [(Account(part.kind, part.member, owed.unit), part.amount) for part in takes]
    if sources:
        moves = [Transfer(source, owed, part, "debt_repaid") for source, part in sources]
        ledger.post(tx, moves, owed.owner)
    return sum(part.amount for part in takes)
