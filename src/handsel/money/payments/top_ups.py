"""Money into the wallet: the intent, what the payer still has to do, and what the provider says.

A top-up is ``pending`` or ``requires_action`` until the provider has decided, and is asked about
for as long as it is silent. Its money is the wallet's whatever has become of the order that it was
meant for.
"""

from uuid import UUID

import asyncpg

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import alerts, velocity
from handsel.money.payments.asking import FIRST_SWEEP, take_due
from handsel.money.payments.errors import TopUpTooLarge
from handsel.money.payments.gateway import ChargeAnswer
from handsel.money.payments.schemas import TopUpInput, TopUpView
from handsel.money.payments.service import check_token, need_provider

#: Far above any order here, and far below what a balance can hold.
MAX_TOP_UP_MINOR = 10**9


async def start(
    tx: Tx, settings: Settings, principal: Principal, data: TopUpInput
) -> Answer[TopUpView]:
    """Write down the intent; a job asks the provider. The wallet grows when it has said yes.

    Raises ``TopUpTooLarge``, ``VelocityLimit``, ``ClientReferenceUsed``.
    """
    need_provider(settings)
    check_token(data.token, "tok")
    if data.amount.amount_minor > MAX_TOP_UP_MINOR:
        raise TopUpTooLarge(largest_minor=MAX_TOP_UP_MINOR)
    seen = await velocity.lock(tx, principal.member_id)
    await velocity.refuse_used(tx, "top", principal.member_id, data.client_reference)
    row = await tx.fetchrow(
        "INSERT INTO money.top_ups (member_id, amount, unit, token, created_at, client_reference,"
        " ask_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        principal.member_id,
        data.amount.amount_minor,
        data.amount.currency,
        data.token,
        tx.now,
        data.client_reference,
        tx.now + FIRST_SWEEP,
    )
    assert row is not None
    await velocity.check_top_up(
        tx, principal.member_id, data.amount.amount_minor, data.amount.currency, data.token, seen
    )
    tx.emit("top_up.requested", row["id"], {"top_up_id": row["id"]})
    view = _view(row)
    return Answer(view, location=f"/v1/wallet/top-ups/{view.id}")


async def book(tx: Tx, top_up_id: UUID, answer: ChargeAnswer) -> str:
    """Book what the provider said, by its answer or by an event; returns what was done.

    A second word changes nothing. That a declined charge has succeeded after all is booked, since
    the provider has the money, and somebody looks at it.
    """
    row = await tx.fetchrow("SELECT * FROM money.top_ups WHERE id = $1 FOR UPDATE", top_up_id)
    assert row is not None
    if row["state"] == "succeeded" or (row["state"] == "failed" and answer.outcome != "succeeded"):
        return "already_decided"
    if answer.outcome in ("pending", "requires_action"):
        await _note_open(tx, row, answer)
        return answer.outcome
    state = "succeeded" if answer.outcome == "succeeded" else "failed"
    await tx.execute(
        "UPDATE money.top_ups SET state = $2, failure = $3, action_url = NULL, decided_at = $4,"
        " provider_reference = coalesce(provider_reference, $5) WHERE id = $1",
        top_up_id,
        state,
        answer.failure,
        tx.now,
        answer.reference,
    )
    if state == "succeeded":
        wallet = Account("wallet", row["member_id"], row["unit"])
        clearing = Account("provider_clearing", HOUSE, row["unit"])
        ledger.open_accounts(tx, [wallet])
        ledger.post(tx, [Transfer(clearing, wallet, row["amount"], "top_up")], top_up_id)
        if row["state"] == "failed":
            text = f"{answer.reference} succeeded after it was declined. The money is booked."
            alerts.raise_alert(tx, "success_after_failure", answer.reference, text)
    event = {
        "top_up_id": top_up_id,
        "member_id": row["member_id"],
        "amount_minor": row["amount"],
        "currency": row["unit"],
    }
    tx.emit(f"top_up.{state}", top_up_id, event)
    return state


async def _note_open(tx: Tx, row: asyncpg.Record, answer: ChargeAnswer) -> None:
    await tx.execute(
        "UPDATE money.top_ups SET state = $2, provider_reference = $3, action_url = $4"
        " WHERE id = $1",
        row["id"],
        answer.outcome,
        answer.reference,
        answer.action_url,
    )


async def ask_due(tx: Tx, limit: int = 200) -> int:
    """Have the provider asked again about what it has not decided for long; how many."""
    due = await take_due(
        tx, "money.top_ups", "'pending', 'requires_action'", limit, tells_late=False
    )
    for row, _ in due:
        tx.emit("top_up.due", row["id"], {"top_up_id": row["id"]})
    return len(due)


async def find(conn: Connection, key: UUID | None, reference: str) -> UUID | None:
    """Our id of a charge that the provider speaks of, by our key or by its reference."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM money.top_ups WHERE id = $1 OR provider_reference = $2", key, reference
    )
    return found


async def read(conn: Connection, principal: Principal, top_up: str) -> TopUpView:
    """One's own top-up."""
    row = await conn.fetchrow(
        "SELECT * FROM money.top_ups WHERE id = $1 AND member_id = $2",
        decode("top", top_up),
        principal.member_id,
    )
    if row is None:
        raise NotFound
    return _view(row)


def _view(row: asyncpg.Record) -> TopUpView:
    return TopUpView(
        id=encode("top", row["id"]),
        amount=Money(amount_minor=row["amount"], currency=row["unit"]),
        state=row["state"],
        created_at=row["created_at"],
        failure=row["failure"],
        action_url=row["action_url"],
    )
