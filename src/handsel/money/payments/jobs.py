"""Jobs that ask the provider and book its answer. Repeating one changes nothing."""

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from handsel.money.payments import service
from handsel.money.payments.gateway import Gateway


async def charge_top_up(database: Database, gateway: Gateway, top_up: str) -> None:
    """Ask the provider for the money of a top-up. ``ProviderUnavailable`` means: run it again."""
    key = decode("top", top_up)
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT token, amount, unit FROM money.top_ups WHERE id = $1 AND state = 'pending'", key
        )
    if row is None:
        return
    answer = await gateway.charge(
        key, token=row["token"], amount_minor=row["amount"], currency=row["unit"]
    )
    await database.run(lambda tx: service.book_top_up(tx, key, answer))


async def pay_out_withdrawal(database: Database, gateway: Gateway, withdrawal: str) -> None:
    """Ask the provider to pay a withdrawal out."""
    key = decode("wdr", withdrawal)
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT m.token, w.amount, w.unit FROM money.withdrawals w"
            " JOIN money.payout_methods m ON m.id = w.method_id"
            " WHERE w.id = $1 AND w.state = 'pending'",
            key,
        )
    if row is None:
        return
    answer = await gateway.pay_out(
        key, token=row["token"], amount_minor=row["amount"], currency=row["unit"]
    )
    await database.run(lambda tx: service.book_withdrawal(tx, key, answer))
