"""Jobs that ask the provider and book its answer. Repeating one changes nothing."""

from uuid import UUID

import structlog

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Database
from handsel.money.payments import card_returns, payouts, schedule, top_ups
from handsel.money.payments.gateway import ChargeAnswer, ChargeOutcome, Gateway

log = structlog.get_logger(__name__)


async def charge_top_up(database: Database, gateway: Gateway, top_up_id: UUID) -> None:
    """Ask the provider for the money of a top-up, or what has become of it. ``ProviderUnavailable``
    means: run it again."""
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT token, amount, unit, state, provider_reference FROM money.top_ups"
            " WHERE id = $1 AND state IN ('pending', 'requires_action')",
            top_up_id,
        )
    if row is None:
        return
    reference = row["provider_reference"]
    if reference is None:
        answer = await gateway.charge(
            top_up_id, token=row["token"], amount_minor=row["amount"], currency=row["unit"]
        )
    else:
        current = await gateway.look_up("charge", reference)
        if current.state not in ("succeeded", "failed"):
            return
        outcome: ChargeOutcome = "succeeded" if current.state == "succeeded" else "declined"
        answer = ChargeAnswer(outcome, reference, current.failure)
    await database.run(lambda tx: top_ups.book(tx, top_up_id, answer))


async def pay_out_withdrawal(database: Database, gateway: Gateway, withdrawal_id: UUID) -> None:
    """Make a withdrawal irrevocable, ask the provider to pay it out, and book what it says."""
    payout = await database.run(lambda tx: payouts.claim(tx, withdrawal_id))
    if payout is None:
        return
    if payout.reference is not None:
        await _look_after_payout(database, gateway, withdrawal_id, payout.reference)
        return
    answer = await gateway.pay_out(
        payout.key,
        token=payout.token,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
    )
    reference, failure = answer.reference, answer.failure or answer.outcome
    if answer.outcome == "accepted":
        await database.run(lambda tx: payouts.note_accepted(tx, withdrawal_id, reference))
    elif answer.outcome == "paid":
        await database.run(lambda tx: payouts.book_paid(tx, withdrawal_id, reference))
    else:
        await database.run(lambda tx: payouts.book_returned(tx, withdrawal_id, failure, reference))


async def _look_after_payout(
    database: Database, gateway: Gateway, withdrawal_id: UUID, reference: str
) -> None:
    """The provider has it for long: what it said of it may have got lost."""
    current = await gateway.look_up("payout", reference)
    failure = current.failure or current.state
    if current.state == "paid":
        await database.run(lambda tx: payouts.book_paid(tx, withdrawal_id, reference))
    elif current.state == "returned":
        await gateway.take_back(reference)
        await database.run(lambda tx: payouts.book_returned(tx, withdrawal_id, failure, reference))


async def send_card_refund(database: Database, gateway: Gateway, refund_id: UUID) -> None:
    """Ask the provider to send card money back, and book what it says."""
    async with database.reading() as conn:
        refund = await card_returns.to_ask(conn, refund_id)
    if refund is None:
        return
    if refund.reference is not None:
        current = await gateway.look_up("refund", refund.reference)
        outcome, reference, said = current.state, refund.reference, current.failure
    else:
        answer = await gateway.refund(
            refund.key,
            charge_reference=refund.charge_reference,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
        )
        outcome, reference, said = answer.outcome, answer.reference, answer.failure
    if outcome == "succeeded":
        await database.run(lambda tx: card_returns.book_succeeded(tx, refund_id, reference))
    elif outcome == "failed" and said == card_returns.NO_BALANCE:
        await database.run(lambda tx: card_returns.note_not_now(tx, refund.key, refund_id))
    elif outcome == "failed":
        failure = said or "failed"
        await database.run(lambda tx: card_returns.book_failed(tx, refund_id, failure, reference))
    else:
        await database.run(lambda tx: card_returns.note_accepted(tx, refund_id, reference))


async def run_schedules(database: Database) -> int:
    """Make the payouts of every schedule whose period has begun; how many were looked at."""
    async with database.reading() as conn:
        due = await schedule.due(conn)
    done = 0
    for member_id, unit in due:
        try:
            done += await _run_schedule(database, member_id, unit)
        except Problem as error:  # stops nobody else; it is due again with the next sweep
            log.error("scheduled_payout_failed", member=str(member_id), error=repr(error))
    return done


async def _run_schedule(database: Database, member_id: UUID, unit: str) -> bool:
    return await database.run(lambda tx: schedule.run(tx, member_id, unit))


async def ask_again(database: Database) -> int:
    """Have the provider asked again about what it has not answered for long; how many."""
    asked = await database.run(payouts.ask_due) + await database.run(top_ups.ask_due)
    return asked + await database.run(card_returns.ask_due)
