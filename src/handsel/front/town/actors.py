"""What people of a town can do: each thing by the verb of the service that a request would call.

Nothing here knows why somebody acts; the sample town (``build``) and the simulated one (``acting``)
do. An actor's deed raises the ``Problem`` that their request would get.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingCreate
from handsel.deals.disputes import desk
from handsel.deals.disputes import service as disputes
from handsel.deals.disputes.rulings import Ruling, Split
from handsel.deals.disputes.schemas import DisputeInput, DisputeMoveInput, EvidenceInput
from handsel.deals.orders import service as orders
from handsel.deals.orders.queries import proposals
from handsel.deals.orders.schemas import OrderInput, OrderView, TransitionInput
from handsel.deals.reviews import service as reviews
from handsel.deals.reviews.schemas import ReviewInput
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import NOBODY, Principal
from handsel.money.payments import sandbox_books, top_ups
from handsel.money.payments.schemas import PositiveMoney, TopUpInput
from handsel.people.members import service as members
from handsel.people.members.schemas import Device, Kind, SandboxMember, VerificationCreate
from handsel.people.messaging import service as messaging
from handsel.people.messaging.schemas import ConversationCreate
from handsel.people.trust import confirmations
from handsel.people.trust.schemas import ConfirmationInput

_DEVICE = Device(address="127.0.0.1", label="town")
#: What the sandbox's card does with a payment.
Card = Literal["tok_ok", "tok_declined"]


class Actors:
    """The deeds. ``currency``: of all their prices and payments."""

    def __init__(self, database: Database, settings: Settings, currency: str) -> None:
        self.database = database
        self.settings = settings
        self.currency = currency

    async def move_in(
        self, handle: str, verified: tuple[Kind, ...] = (), password_hash: str | None = None
    ) -> Principal:
        """A new member, joined now, with these checks passed."""
        async with self.database.transaction() as tx:
            spec = SandboxMember(
                handle=handle,
                joined_at=tx.now,
                password_hash=password_hash,
                verifications=verified,
            )
            (member_id,) = await members.create_sandbox_members(tx, [spec])
            # What a sign-up over the API would have told.
            tx.emit("member.joined", member_id, {"member_id": member_id, "handle": handle})
            for kind in verified:
                tx.emit("member.verified", member_id, {"member_id": member_id, "kind": kind})
        return Principal(member_id, NOBODY, handle)

    async def prove(self, who: Principal, kind: Kind) -> None:
        """Pass a check: a document, an account or an address by the verifier, else by a code."""
        if kind == "email" or kind == "phone":
            value, code = await self._code(who, kind)
            data = VerificationCreate(kind=kind, value=value, code=code)
        else:
            data = VerificationCreate(kind=kind, value="PASS")
        await members.verify(self.database, self.settings, who, data)

    async def _code(self, who: Principal, kind: Literal["email", "phone"]) -> tuple[str, str]:
        """Have a code sent to an address of their own, and read it."""
        if kind == "email":
            value = f"{who.handle}@example.com"
            await self.database.run(
                lambda tx: members.send_email_code(tx, self.settings, who, value, _DEVICE)
            )
        else:
            value = f"+49151{who.member_id.int % 10**8:08}"
            await self.database.run(
                lambda tx: members.send_own_phone_code(tx, self.settings, who, value, _DEVICE)
            )
        async with self.database.reading() as conn:
            text = await conn.fetchval(
                "SELECT text FROM people.sandbox_messages WHERE recipient = $1"
                " ORDER BY id DESC LIMIT 1",
                value,
            )
        return value, next(word for word in text.replace(".", " ").split() if word.isdigit())

    async def offer(self, who: Principal, data: ListingCreate) -> str:
        """Put a listing up; its id."""
        secret = self.settings.secret_bytes()
        made = await self.database.run(lambda tx: listings.create(tx, secret, who, data))
        listing = decode("lst", made.id)
        await self.database.run(lambda tx: listings.move(tx, who, listing, "publish"))
        return made.id

    async def say(self, one: Principal, other: Principal, text: str) -> None:
        """Write to somebody, or answer them."""
        said = ConversationCreate(text=text, handle=other.handle)
        await self.database.run(lambda tx: messaging.talk(tx, one, said))

    async def top_up(self, who: Principal, amount_minor: int, card: Card = "tok_ok") -> None:
        """Pay into one's wallet; the provider is asked when the worker runs."""
        money = TopUpInput(
            amount=PositiveMoney(amount_minor=amount_minor, currency=self.currency), token=card
        )
        await self.database.run(lambda tx: top_ups.start(tx, self.settings, who, money))

    async def order(
        self,
        buyer: Principal,
        listing: str,
        process: Literal["service", "pay_after"] = "service",
        starts_at: datetime | None = None,
    ) -> OrderView:
        """Place an order; nothing is paid or promised yet."""
        data = OrderInput(listing_id=listing, process=process, starts_at=starts_at)
        placed = await self.database.run(lambda tx: orders.place(tx, buyer, data))
        return placed.view

    async def commit_to(self, buyer: Principal, order: OrderView) -> None:
        """Confirm payee, amount and terms, and have the money held; or promise to pay after."""
        confirmation = ConfirmationInput(
            payee_id=order.provider_id,
            amount=order.amount,
            terms_hash=order.terms_hash,
            password="",
        )
        issued = await self.database.run(
            lambda tx: confirmations.issue(tx, buyer.member_id, confirmation)
        )
        name = "fund" if order.process.startswith("service") else "promise_to_pay"
        await self.move(buyer, order.id, name, confirmation=issued.token)

    async def move(self, who: Principal, order: str, name: str, **more: Any) -> OrderView:
        """A move of an order."""
        data = TransitionInput(name=name, **more)
        order_id = decode("ord", order)
        made = await self.database.run(lambda tx: orders.transition(tx, who, order_id, data))
        return made.view

    async def agree_on_time(
        self, seller: Principal, buyer: Principal, order: OrderView, due_at: datetime
    ) -> OrderView:
        """The seller proposes until when it is done, and the buyer accepts."""
        await self.move(seller, order.id, "propose_change", due_at=due_at)
        async with self.database.reading() as conn:
            proposed = await proposals(conn, decode("ord", order.id))
        named = encode("prp", proposed[0].id)
        return await self.move(buyer, order.id, "accept_change", proposal=named)

    async def review(self, who: Principal, order: str, stars: int, text: str = "") -> None:
        """Say how it was."""
        data = ReviewInput(order_id=order, stars=stars, text=text)
        await self.database.run(lambda tx: reviews.write(tx, who, data))

    async def complain(self, who: Principal, order: OrderView, customer_minor: int) -> UUID:
        """Open a dispute that asks for this part of the price for the customer; its id."""
        data = DisputeInput(
            reason_code="quality",
            statement="It was not what we had agreed.",
            request=Split(
                customer_minor=customer_minor,
                provider_minor=order.amount.amount_minor - customer_minor,
            ),
            evidence=[EvidenceInput(kind="event_log")],
        )
        order_id = decode("ord", order.id)
        made = await self.database.run(lambda tx: disputes.open_dispute(tx, who, order_id, data))
        return decode("dsp", made.view.id)

    async def move_dispute(self, who: Principal, dispute: UUID, name: str, note: str = "") -> None:
        """A party's move in a dispute."""
        data = DisputeMoveInput(name=name, note=note)
        await self.database.run(lambda tx: disputes.move(tx, who, dispute, data))

    async def judge(
        self, staff: Principal, dispute: UUID, name: str, ruling: Ruling | None
    ) -> None:
        """A move of the staff's."""
        data = DisputeMoveInput(name=name, note="Both have shown what they had.", ruling=ruling)
        await self.database.run(lambda tx: desk.move(tx, staff, dispute, data))

    async def bank_takes_back(self, payer: Principal, amount_minor: int) -> str:
        """The payer's bank takes the newest payment of this amount back; its reference."""

        async def take(tx: Tx) -> str:
            charge = await tx.fetchval(
                "SELECT provider_reference FROM money.top_ups WHERE member_id = $1"
                " AND state = 'succeeded' AND amount >= $2"
                " ORDER BY amount = $2 DESC, id DESC LIMIT 1",
                payer.member_id,
                amount_minor,
            )
            return await sandbox_books.open_dispute(tx, charge, amount_minor, "fraudulent", tx.now)

        return await self.database.run(take)

    async def bank_decides(self, reference: str, end: Literal["won", "lost"]) -> None:
        """The bank has looked at it."""
        verdict: sandbox_books.Verdict = "dispute.won" if end == "won" else "dispute.lost"
        await self.database.run(
            lambda tx: sandbox_books.decide_dispute(tx, reference, verdict, tx.now)
        )
