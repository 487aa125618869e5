"""Send money to somebody: open the order that does it, and read one's own."""

from uuid import UUID

from handsel.deals.orders import parties
from handsel.deals.orders.opening import Draft, open_order
from handsel.deals.orders.parties import Party
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.timing import timers_of
from handsel.deals.orders.transfer.rules import Relation, revocable_for
from handsel.deals.orders.transfer.schemas import TransferInput
from handsel.deals.orders.views import view_of
from handsel.foundation.core.ids import uuid7
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.trust import service as trust
from handsel.people.trust.service import Decision, Payment

PROCESS = "instant_transfer"


async def send(tx: Tx, principal: Principal, data: TransferInput) -> Answer[OrderView]:
    """Open a transfer; nothing has moved until it is funded.

    Raises ``NotFound``, ``WithOneself`` (409), ``CurrencyNotSupported`` (403).
    """
    to = await parties.other(tx, principal, data.to)
    amount = Money(amount_minor=data.amount.amount_minor, currency=data.amount.currency)
    trust.in_reference(amount.amount_minor, amount.currency)
    draft, decision = await _draft(tx, principal, to, amount, data.note)
    order = open_order(tx, draft)
    timers = timers_of(order, draft.process)
    confirm = decision.confirmation_required
    view = view_of(order, draft.process, timers, "customer", confirm=confirm)
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


async def _draft(
    tx: Tx, principal: Principal, to: Party, amount: Money, note: str
) -> tuple[Draft, Decision]:
    """The order, and what trust says of it: whether they know each other, and for how long the
    payer may take it back."""
    order_id, process = uuid7(), current(PROCESS)
    decision = await trust.decide(
        tx,
        Payment(principal.member_id, to.id, amount.amount_minor, amount.currency, b"", order_id),
    )
    relation: Relation = "traded_before" if decision.standing.known_payee else "stranger"
    first = not await _sent_before(tx, principal.member_id, to.id)
    window = revocable_for(relation, decision.revoke_window, first=first)
    frozen = parties.freeze(
        process,
        principal,
        to,
        amount,
        title=f"Transfer from {principal.handle} to {to.handle}",
        category="transfer",
        due_at=tx.now + window,
        note=note,
        durations={"revocable_for": window},
        relation=relation,
    )
    draft = Draft(
        process=process,
        customer_id=principal.member_id,
        provider_id=to.id,
        amount=amount.amount_minor,
        unit=amount.currency,
        terms=frozen,
        due_at=frozen.due_at,
        order_id=order_id,
    )
    return draft, decision


async def _sent_before(tx: Tx, payer_id: UUID, payee_id: UUID) -> bool:
    """Whether a transfer of this payer has reached this payee."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM deals.orders WHERE customer_id = $1 AND provider_id = $2"
        " AND process = $3 AND state = 'arrived')",
        payer_id,
        payee_id,
        PROCESS,
    )
    return found
