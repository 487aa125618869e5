"""An order as one of its parties sees it."""

from collections.abc import Sequence

from handsel.deals.orders.queries import Order, Proposal
from handsel.deals.orders.schemas import Deadline, OrderView, ProposalView
from handsel.deals.process import engine
from handsel.deals.process.definition import Process
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money


def view_of(
    order: Order,
    process: Process,
    timers: Sequence[engine.Timer],
    role: str,
    *,
    confirm: bool | None = None,
) -> OrderView:
    """The view for ``role`` (customer or provider); ``confirm``: whether paying asks for a
    confirmation, where that is known."""
    customer, provider = order.terms.customer, order.terms.provider
    amount = Money(amount_minor=order.amount, currency=order.unit)
    state = process.states[order.state]
    hold = order.hold_period
    return OrderView(
        id=encode("ord", order.id),
        state=order.state,
        version=order.version,
        process=f"{order.process}@{order.process_version}",
        customer_id=encode("mem", order.customer_id),
        provider_id=encode("mem", order.provider_id),
        customer=customer,
        provider=provider,
        your_role=role,  # type: ignore[arg-type]
        amount=amount,
        refunded=Money(amount_minor=order.refunded_minor, currency=order.unit),
        terms=order.terms,
        terms_hash=order.terms_hash.hex(),
        promise=promise_of(order, process, timers),
        waits_for=state.waits_for,
        parent_id=encode("ord", order.parent_id) if order.parent_id else None,
        confirmation_required=confirm,
        your_transitions=engine.allowed(process, order.state, role),
        created_at=order.created_at,
        entered_at=order.entered_at,
        next_deadline=_deadline(process, timers),
        hold_period_s=int(hold.total_seconds()) if hold is not None else None,
        revocable_until=order.revocable_until,
    )


def proposal_view(proposal: Proposal) -> ProposalView:
    """A proposal as both parties see it."""
    return ProposalView(
        id=encode("prp", proposal.id),
        kind="split" if proposal.kind == "split" else "change",
        by=proposal.role,
        amount_minor=proposal.amount_minor,
        customer_minor=proposal.customer_minor,
        due_at=proposal.due_at,
        note=proposal.note,
        made_at=proposal.made_at,
        expires_at=proposal.expires_at,
    )


def promise_of(order: Order, process: Process, timers: Sequence[engine.Timer]) -> str:
    """What the order says while it is where it is: what happens, and by when."""
    return process.states[order.state].promise.format(
        customer=order.terms.customer,
        provider=order.terms.provider,
        amount=Money(amount_minor=order.left, currency=order.unit),
        deposit=Money(amount_minor=order.terms.deposit_minor, currency=order.unit),
        by=f"{timers[0].due_at:%Y-%m-%d %H:%M} UTC" if timers else "",
    )


def _deadline(process: Process, timers: Sequence[engine.Timer]) -> Deadline | None:
    if not timers:
        return None
    first = timers[0]
    otherwise = next(t.default for t in process.transitions if t.name == first.transition)
    return Deadline(transition=first.transition, due_at=first.due_at, otherwise=otherwise)
