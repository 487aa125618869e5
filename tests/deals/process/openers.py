"""How to open an order of each process, what its people may say with a move, and what its guards
make of it. A process that is not in ``OPENERS`` yet has no lives on PostgreSQL: add a line.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from handsel.catalog.listings.schemas import Price
from handsel.deals.orders import service as orders
from handsel.deals.orders.negotiated import service as negotiated
from handsel.deals.orders.negotiated.schemas import (
    AgreementInput,
    Milestone,
    OfferInput,
    Part,
    QuoteInput,
)
from handsel.deals.orders.queries import Order, children
from handsel.deals.orders.schemas import OrderInput, TransitionInput
from handsel.deals.orders.time_credit import service as time_credit
from handsel.deals.orders.time_credit.schemas import TimeCreditInput
from handsel.deals.orders.transfer import service as transfers
from handsel.deals.orders.transfer.schemas import TransferInput
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments.schemas import PositiveMoney
from handsel.people.trust import service as trust
from handsel.people.trust.schemas import ConfirmationInput
from tests.factories import listings
from tests.factories.members import PASSWORD, add_member

PRICE, RICH = 2999, 10_000
NOTE = "Two hours on derivatives"


@dataclass
class Deal:
    """An order and the people in it, by role."""

    order_id: UUID
    people: dict[str, Principal] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a guard looks at: the order before the move, the move, and the time."""

    order: Order
    data: TransitionInput
    now: datetime


async def person(tx: Tx, amount: int = 0) -> Principal:
    """A verified member with so much in the wallet."""
    member = await add_member(
        tx, f"m{uuid4().hex[:12]}", verified=("phone", "id_document", "bank_account")
    )
    wallet = Account("wallet", member.id, "EUR")
    ledger.open_accounts(tx, [wallet])
    if amount:
        clearing = Account("provider_clearing", HOUSE, "EUR")
        ledger.post(tx, [Transfer(clearing, wallet, amount, "adjustment")], uuid4())
    await tx.flush()
    return member.principal


async def open_service(tx: Tx, draw: random.Random) -> Deal:
    """A priced listing, ordered; sometimes for an agreed time."""
    customer, provider = await person(tx, RICH), await person(tx)
    price = Price(amount_minor=PRICE, currency="EUR")
    listing = await listings.live(tx, provider, price=price)
    await tx.flush()
    hours = draw.choice((None, None, None, None, 3, 480))
    starts_at = None if hours is None else tx.now + timedelta(hours=hours)
    made = await orders.place(tx, customer, OrderInput(listing_id=listing.id, starts_at=starts_at))
    await tx.flush()
    return Deal(decode("ord", made.view.id), {"customer": customer, "provider": provider})


async def open_transfer(tx: Tx, draw: random.Random) -> Deal:
    """Money for somebody who has never got any from them."""
    customer, provider = await person(tx, RICH), await person(tx)
    amount = PositiveMoney(amount_minor=draw.choice((1, PRICE)), currency="EUR")
    made = await transfers.send(tx, customer, TransferInput(to=provider.handle, amount=amount))
    await tx.flush()
    return Deal(decode("ord", made.view.id), {"customer": customer, "provider": provider})


async def open_time_credit(tx: Tx, draw: random.Random) -> Deal:
    """Some hours of somebody, by a time or within two weeks."""
    customer, provider = await person(tx), await person(tx)
    due_at = draw.choice((None, tx.now + timedelta(hours=5)))
    asked = TimeCreditInput(
        provider=provider.handle, minutes=90, title="Mend my bicycle", due_at=due_at
    )
    made = await time_credit.ask(tx, customer, asked)
    await tx.flush()
    return Deal(decode("ord", made.view.id), {"customer": customer, "provider": provider})


async def open_milestone(tx: Tx, draw: random.Random) -> Deal:
    """The only milestone of an agreed job, due in some days."""
    customer, provider = await person(tx, RICH), await person(tx)
    listing = await listings.live(tx, provider, price=None)
    await tx.flush()
    wish = QuoteInput(listing_id=listing.id, wish="Four doors", currency="EUR")
    job = decode("ord", (await negotiated.request_quote(tx, customer, wish)).view.id)
    await tx.flush()
    due_at = tx.now + timedelta(days=draw.choice((1, 10, 29)))
    terms = OfferInput(
        lines=[Part(title="Doors", amount_minor=PRICE)],
        milestones=[Milestone(title="Doors", amount_minor=PRICE, due_at=due_at)],
    )
    offer = (await negotiated.offer(tx, provider, job, terms)).view
    await tx.flush()
    await negotiated.agree(tx, customer, job, AgreementInput(terms_hash=offer.terms_hash))
    await tx.flush()
    (milestone,) = await children(tx.conn, job)
    return Deal(milestone.id, {"customer": customer, "provider": provider})


#: By process: opens an order of the version that is current.
OPENERS: dict[str, Callable[[Tx, random.Random], Awaitable[Deal]]] = {
    "service": open_service,
    "instant_transfer": open_transfer,
    "time_credit": open_time_credit,
    "milestone": open_milestone,
}

_PAID = (("customer", "fund"), ("provider", "accept"), ("provider", "deliver"))
#: How most orders begin; a life follows some of it before it goes astray.
WALKS: dict[str, tuple[tuple[str, str], ...]] = {
    "service": (*_PAID, ("customer", "request_changes"), ("provider", "deliver_changes")),
    "instant_transfer": (("customer", "fund"),),
    "time_credit": _PAID,
    "milestone": (("customer", "fund"), ("provider", "deliver")),
}


async def said_with(
    database: Database, deal: Deal, order: Order, name: str, draw: random.Random
) -> TransitionInput:
    """What somebody sends along: mostly what the move asks for, once in a while not."""
    part = draw.choice((1, 100, order.left - 1, order.left))
    data = TransitionInput(
        name=name,
        note=draw.choice((*[NOTE] * 9, "")),
        amount_minor=draw.choice((part, part, None)),
        customer_minor=draw.choice((0, part, None)),
        code=draw.choice(("000000", None)),
        confirmation=None,
    )
    if name.startswith("fund") and draw.random() < 0.95:
        token = await database.run(lambda tx: confirmed(tx, deal, order))
        data = TransitionInput(name=name, confirmation=token)
    return data


async def confirmed(tx: Tx, deal: Deal, order: Order) -> str:
    """The customer confirms payee, amount and terms: the token."""
    given = ConfirmationInput(
        payee_id=encode("mem", order.provider_id),
        amount=Money(amount_minor=order.amount, currency=order.unit),
        terms_hash=order.terms_hash.hex(),
        password=PASSWORD,
    )
    made = await trust.confirm(tx, deal.people["customer"].member_id, given)
    return made.token


def _revocable(seen: Seen) -> str | None:
    until = seen.order.revocable_until
    return "not_revocable" if until is None or seen.now > until else None


def _costs(seen: Seen) -> bool:
    policy = seen.order.terms.cancellation
    left_s = (seen.order.due_at - seen.now).total_seconds()
    return policy.late_share_bps > 0 and 0 < left_s < policy.free_until_s


def _started(seen: Seen) -> str | None:
    starts_at = seen.order.terms.starts_at
    return "not_started" if starts_at is not None and seen.now < starts_at else None


def _proof(seen: Seen) -> str | None:
    return None if seen.data.note or seen.order.state == "in_progress" else "proof_missing"


def _part(seen: Seen) -> str | None:
    if seen.data.amount_minor is None:
        return "amount_missing"
    return "part_too_large" if seen.data.amount_minor >= seen.order.left else None


def _missed(seen: Seen) -> str | None:
    starts_at = seen.order.terms.starts_at
    late = None if starts_at is None else seen.now - starts_at
    if late is None or not timedelta(minutes=15) <= late <= timedelta(hours=24):
        return "nothing_missed"
    return None


def _near(seen: Seen) -> str | None:
    starts_at = seen.order.terms.starts_at
    early = starts_at is not None and seen.now < starts_at - timedelta(hours=1)
    return "too_early_to_meet" if early else None


#: By guard: the code of its refusal, or None. A guard that is not here is asked, and believed.
VERDICTS: dict[str, Callable[[Seen], str | None]] = {
    "within_limits": lambda seen: None,
    "confirmed": lambda seen: None if seen.data.confirmation else "confirmation_required",
    "agreed_now": lambda seen: None,
    "agreed_before": lambda seen: "not_agreed_before",
    "may_receive": lambda seen: None,
    "revocable": _revocable,
    "cancelling_is_free": lambda seen: "cancelling_costs" if _costs(seen) else None,
    "cancelling_costs": lambda seen: None if _costs(seen) else "cancelling_is_free",
    "started": _started,
    "near_the_start": _near,
    "start_was_missed": _missed,
    "proof_given": _proof,
    "reason_given": lambda seen: None if seen.data.note else "reason_missing",
    "part_is_left": _part,
}
