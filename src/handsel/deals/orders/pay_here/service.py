"""Pay at a code: open the order that does it."""

from datetime import timedelta
from uuid import UUID

from handsel.catalog.listings import service as listings
from handsel.deals.orders import parties
from handsel.deals.orders.errors import ListingNotOrderable, WithOneself
from handsel.deals.orders.opening import Draft, fee_at_sale, open_order
from handsel.deals.orders.parties import Party
from handsel.deals.orders.pay_here import codes
from handsel.deals.orders.pay_here.codes import PayCode
from handsel.deals.orders.pay_here.errors import PayCodeAmountMismatch, PayCodeAmountMissing
from handsel.deals.orders.pay_here.schemas import CodePaymentInput
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.timing import timers_of
from handsel.deals.orders.views import view_of
from handsel.foundation.core.ids import encode, uuid7
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import service as members
from handsel.people.trust import service as trust
from handsel.people.trust.service import Payment

PROCESS = "pay_here"
#: Nobody waits at a counter for longer; a tier with a shorter window keeps its own.
_LONGEST_WINDOW = timedelta(minutes=15)


async def pay(tx: Tx, principal: Principal, code: str, data: CodePaymentInput) -> Answer[OrderView]:
    """Open an order at a code; nothing has moved until it is funded.

    Raises what ``codes.usable`` raises, ``PayCodeAmountMismatch``, ``PayCodeAmountMissing`` (422),
    ``WithOneself``, ``ListingNotOrderable`` (409).
    """
    found = await codes.usable(tx.conn, code)
    if found.owner_id == principal.member_id:
        raise WithOneself
    amount = _amount(found, data)
    order_id = uuid7()
    payment = Payment(
        principal.member_id, found.owner_id, amount.amount_minor, amount.currency, b"", order_id
    )
    decision = await trust.decide(tx, payment)
    window = min(decision.revoke_window, _LONGEST_WINDOW)
    order = open_order(tx, await _draft(tx, principal, found, amount, order_id, window, data.note))
    process = current(PROCESS)
    confirm = decision.confirmation_required
    view = view_of(order, process, timers_of(order, process), "customer", confirm=confirm)
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


def _amount(code: PayCode, data: CodePaymentInput) -> Money:
    given = data.amount
    if given is None:
        if code.amount is None:
            raise PayCodeAmountMissing
        return Money(amount_minor=code.amount, currency=code.unit)
    if given.currency != code.unit or code.amount not in (None, given.amount_minor):
        raise PayCodeAmountMismatch(currency=code.unit, amount_minor=code.amount)
    return Money(amount_minor=given.amount_minor, currency=given.currency)


async def _draft(
    tx: Tx, principal: Principal, code: PayCode, amount: Money, order_id: UUID,
    window: timedelta, note: str,
) -> Draft:  # fmt: skip
    category, listing = "pay-here", code.listing_id
    if listing is not None:
        sold = await listings.for_order(tx, listing)
        if not sold.live:
            raise ListingNotOrderable
        category = sold.category
    seller = (await members.by_ids(tx.conn, [code.owner_id]))[code.owner_id]
    fee = await fee_at_sale(
        tx, seller.id, principal.member_id, amount.amount_minor, amount.currency
    )
    process = current(PROCESS)
    frozen = parties.freeze(
        process,
        principal,
        Party(seller.id, seller.handle),
        amount,
        title=code.label,
        category=category,
        due_at=tx.now + window,
        note=note,
        fee=fee,
        listing_id=encode("lst", listing) if listing else None,
        durations={"revocable_for": window},
    )
    return Draft(
        process=process,
        customer_id=principal.member_id,
        provider_id=seller.id,
        amount=amount.amount_minor,
        unit=amount.currency,
        terms=frozen,
        due_at=frozen.due_at,
        listing_id=listing,
        order_id=order_id,
    )
