"""Jobs that ask the provider and book its answer. Repeating one changes nothing."""

from uuid import UUID

from handsel.foundation.db.uow import Database
from handsel.money.payments import service
from handsel.money.payments.gateway import Gateway


async def charge_top_up(database: Database, gateway: Gateway, top_up_id: UUID) -> None:
    """Ask the provider for the money of a top-up. ``ProviderUnavailable`` means: run it again."""
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT token, amount, unit FROM money.top_ups WHERE id = $1 AND state = 'pending'",
            top_up_id,
        )
    if row is None:
        return
    answer = await gateway.charge(
        top_up_id, token=row["token"], amount_minor=row["amount"], currency=row["unit"]
    )
    await database.run(lambda tx: service.book_top_up(tx, top_up_id, answer))


async def pay_out_withdrawal(database: Database, gateway: Gateway, withdrawal_id: UUID) -> None:
    """Ask the provider to pay a withdrawal out."""
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT m.token, w.amount, w.unit FROM money.withdrawals w"
            " JOIN money.payout_methods m ON m.id = w.method_id"
            " WHERE w.id = $1 AND w.state = 'pending'",
            withdrawal_id,
        )
    if row is None:
        return
    answer = await gateway.pay_out(
        withdrawal_id, token=row["token"], amount_minor=row["amount"], currency=row["unit"]
    )
    await database.run(lambda tx: service.book_withdrawal(tx, withdrawal_id, answer))
