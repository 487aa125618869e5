"""Play a drawn town through the services, deed by deed, under a clock that is moved.

What the house refuses (a limit, a deadline) ends the deal, and is noted with its code: a simulator
that draws what the house would never let happen is not honest about the house.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import msgspec

from handsel.catalog.listings.schemas import ListingCreate, Point, Price
from handsel.deals.disputes.rulings import Ruling, Split
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.terms import WORKING_DAY
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import decode
from handsel.foundation.core.money import BPS
from handsel.foundation.http.principal import Principal
from handsel.front.town.actors import Actors
from handsel.front.town.script import Deal, Step, script_of
from handsel.front.town.stage import Stage
from handsel.front.worker.inline import InlineWorker
from handsel.money.ledger.service import Account
from handsel.people.members.schemas import Kind
from handsel_ml.contract import EPOCH, Verification
from handsel_ml.simulate import Town

Progress = Callable[[str], None]
_KINDS: dict[int, Kind] = {
    Verification.EMAIL: "email",
    Verification.PHONE: "phone",
    Verification.IDENTITY: "id_document",
    Verification.BANK_ACCOUNT: "bank_account",
    Verification.ADDRESS: "address",
}
#: How often the worker looks around while nobody does anything and no timer runs out.
_LOOK = timedelta(days=7)
_SOON = timedelta(milliseconds=1)
_PLACE = Point(lat=55.9486, lon=-3.1999)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A deed that the house did not let happen."""

    deed: str
    code: str
    member: int
    deal: int | None


class Played(msgspec.Struct, kw_only=True):
    """What came of a script. ``shift``: how much later in this house than in the plan, ``people``:
    by their number in the town, ``orders``: the number of the deal of each order, ``stage``: what
    members had to pay in beside the script, so that they could pay; ``lent``: who was lent the
    standing that paying after the work needs; ``unplayed``: deals that were left out, with why."""

    shift: timedelta
    unplayed: dict[int, str]
    people: dict[int, Principal] = msgspec.field(default_factory=dict)
    orders: dict[UUID, int] = msgspec.field(default_factory=dict)
    stage: dict[int, list[int]] = msgspec.field(default_factory=lambda: defaultdict(list))
    lent: set[int] = msgspec.field(default_factory=set)
    refused: list[Refusal] = msgspec.field(default_factory=list)

    def refusals(self) -> dict[str, int]:
        """How many of each code."""
        return dict(Counter(refusal.code for refusal in self.refused))


class Player:
    """Plays one town in an otherwise quiet house."""

    def __init__(self, actors: Actors, worker: InlineWorker, stage: Stage) -> None:
        self._actors = actors
        self._worker = worker
        self._stage = stage
        self._staff: Principal | None = None
        self._listings: dict[tuple[int, int], str] = {}
        self._orders: dict[int, OrderView] = {}
        self._disputes: dict[int, UUID] = {}
        self._banks: dict[int, str] = {}
        self._over: set[int] = set()

    async def play(
        self, town: Town, begins: datetime, progress: Progress = lambda line: None
    ) -> Played:
        """All of it, beginning at a moment of this house's clock and ending at the plan's end."""
        script = script_of(town)
        self._played = Played(shift=begins - town.plan.start, unplayed=script.unplayed)
        self._looked = begins
        for number, step in enumerate(script.steps):
            await self._until(EPOCH + timedelta(microseconds=step.at) + self._played.shift)
            await self._do(step)
            if number % 200 == 0:
                progress(f"{number} of {len(script.steps)} deeds")
        await self._until(town.plan.end + self._played.shift)
        return self._played

    async def _until(self, moment: datetime) -> None:
        """Let the time pass; whatever a timer brings on the way, it brings at its time."""
        while True:
            due = await self._stage.next_due()
            look = self._looked + _LOOK
            # A timer that could not be obeyed is still there; the next look comes a week later.
            if due is not None and due > self._looked:
                look = min(look, due)
            if look >= moment:
                break
            self._looked = look
            await self._stage.set_clock(look + _SOON)
            await self._worker.run_due()
        await self._stage.set_clock(moment)

    async def _do(self, step: Step) -> None:
        """One deed; a refusal ends its deal."""
        if step.deal is not None and step.deal.number in self._over:
            return
        try:
            await self._DEEDS[step.deed](self, step)
        except Problem as problem:
            number = None if step.deal is None else step.deal.number
            self._played.refused.append(
                Refusal(deed=step.deed, code=problem.code, member=step.member, deal=number)
            )
            if number is not None:
                self._over.add(number)
        await self._worker.drain()

    def _who(self, member: int) -> Principal:
        return self._played.people[member]

    async def _join(self, step: Step) -> None:
        handle = f"sim-{step.member}"
        self._played.people[step.member] = await self._actors.move_in(handle)

    async def _prove(self, step: Step) -> None:
        await self._actors.prove(self._who(step.member), _KINDS[step.value])

    async def _top_up(self, step: Step) -> None:
        await self._actors.top_up(self._who(step.member), step.value)

    async def _top_up_declined(self, step: Step) -> None:
        await self._actors.top_up(self._who(step.member), step.value, "tok_declined")

    async def _say(self, step: Step) -> None:
        await self._actors.say(self._who(step.member), self._who(step.other), "Shall we?")

    async def _place(self, deal: Deal) -> OrderView:
        """An order at the deal's price; the seller offers it at that price if they do not yet."""
        key = deal.seller, deal.amount
        if key not in self._listings:
            data = ListingCreate(
                title=f"An hour of help, number {deal.number}",
                category="school-tutoring",
                price=Price(amount_minor=deal.amount, currency=self._actors.currency),
                place=_PLACE,
            )
            self._listings[key] = await self._actors.offer(self._who(deal.seller), data)
        buyer = self._who(deal.buyer)
        starts_at = self._starts(deal) if deal.by_appointment else None
        order = await self._actors.order(
            buyer, self._listings[key], "pay_after" if deal.promised else "service", starts_at
        )
        self._played.orders[decode("ord", order.id)] = deal.number
        if deal.promised:
            await self._stage.establish(buyer.member_id)
            self._played.lent.add(deal.buyer)
        else:
            await self._provide(deal)
        await self._actors.commit_to(buyer, order)
        return order

    def _due(self, deal: Deal) -> datetime:
        return EPOCH + timedelta(microseconds=deal.due) + self._played.shift

    def _starts(self, deal: Deal) -> datetime:
        """When they meet; what is paid after has no other way to agree on when it is done by."""
        return self._due(deal) - (WORKING_DAY if deal.promised else timedelta())

    async def _provide(self, deal: Deal) -> None:
        """Whoever lacks money in the script pays in what is missing."""
        wallet = Account("wallet", self._who(deal.buyer).member_id, self._actors.currency)
        async with self._actors.database.reading() as conn:
            found = await conn.fetchval(
                "SELECT balance FROM money.accounts WHERE id = $1", wallet.id
            )
        lacking = deal.amount - (found or 0)
        if lacking > 0:
            await self._actors.top_up(self._who(deal.buyer), lacking)
            await self._worker.drain()
            self._played.stage[deal.buyer].append(lacking)

    async def _ask_in_vain(self, step: Step) -> None:
        assert step.deal is not None
        await self._place(step.deal)

    async def _ask_and_be_declined(self, step: Step) -> None:
        assert step.deal is not None
        order = await self._place(step.deal)
        await self._actors.move(self._who(step.deal.seller), order.id, "decline")

    async def _agree(self, step: Step) -> None:
        """Order, pay or promise, be accepted; and agree by when, if no meeting was agreed."""
        deal = step.deal
        assert deal is not None
        buyer, seller = self._who(deal.buyer), self._who(deal.seller)
        order = await self._place(deal)
        await self._actors.move(seller, order.id, "accept")
        if not deal.by_appointment and not deal.promised:
            order = await self._actors.agree_on_time(seller, buyer, order, self._due(deal))
        self._orders[deal.number] = order

    async def _move(self, step: Step) -> None:
        assert step.deal is not None
        note = "All of it, as agreed" if step.deed == "deliver" else ""
        order = self._orders[step.deal.number].id
        await self._actors.move(self._who(step.member), order, step.deed, note=note)

    async def _pay(self, step: Step) -> None:
        assert step.deal is not None
        await self._provide(step.deal)
        await self._move(step)

    async def _cancel(self, step: Step) -> None:
        """Free while it is early, else at the price that was agreed for it."""
        assert step.deal is not None
        order, who = self._orders[step.deal.number].id, self._who(step.member)
        try:
            await self._actors.move(who, order, "cancel")
        except Problem as problem:
            if problem.code != "cancelling_costs":
                raise
            await self._actors.move(who, order, "cancel_late")

    async def _complain(self, step: Step) -> None:
        """For half of the price back, or against the buyer: for all of it."""
        deal = step.deal
        assert deal is not None
        back = deal.amount // 2 if step.member == deal.buyer else 0
        order = self._orders[deal.number]
        self._disputes[deal.number] = await self._actors.complain(
            self._who(step.member), order, back
        )

    async def _concede(self, step: Step) -> None:
        assert step.deal is not None
        dispute = self._disputes[step.deal.number]
        await self._actors.move_dispute(self._who(step.member), dispute, "concede")

    async def _be_judged(self, step: Step) -> None:
        """They do not agree, and the staff share the fault between them."""
        deal = step.deal
        assert deal is not None
        loser = self._who(step.member)
        winner = self._who(deal.seller if step.member == deal.buyer else deal.buyer)
        dispute, actors = self._disputes[deal.number], self._actors
        await actors.move_dispute(loser, dispute, "answer", "All of it was there.")
        await actors.move_dispute(winner, dispute, "escalate", "We do not agree.")
        back = deal.amount * (3 if step.member == deal.seller else 1) // 4
        ruling = Ruling(
            split=Split(customer_minor=back, provider_minor=deal.amount - back),
            reason_code="quality",
            fault="shared",
            claimant_fault_bps=BPS - deal.fault_bps,
        )
        staff = await self._judge()
        await actors.judge(staff, dispute, "refer", None)
        await actors.judge(staff, dispute, "rule", ruling)

    async def _judge(self) -> Principal:
        if self._staff is None:
            self._staff = await self._actors.move_in("sim-judge")
            await self._stage.appoint(self._staff.member_id)
        return self._staff

    async def _review(self, step: Step) -> None:
        assert step.deal is not None
        order = self._orders[step.deal.number].id
        await self._actors.review(self._who(step.member), order, step.value)

    async def _charge_back(self, step: Step) -> None:
        assert step.deal is not None
        who = self._who(step.member)
        self._banks[step.deal.number] = await self._actors.bank_takes_back(who, step.value)

    async def _lose_chargeback(self, step: Step) -> None:
        assert step.deal is not None
        await self._actors.bank_decides(self._banks[step.deal.number], "lost")

    _DEEDS: ClassVar[dict[str, Callable[["Player", Step], Awaitable[None]]]] = {
        "join": _join,
        "prove": _prove,
        "say": _say,
        "top_up": _top_up,
        "top_up_declined": _top_up_declined,
        "ask_in_vain": _ask_in_vain,
        "ask_and_be_declined": _ask_and_be_declined,
        "agree": _agree,
        "cancel": _cancel,
        "withdraw": _move,
        "deliver": _move,
        "approve": _move,
        "pay": _pay,
        "report_no_show": _move,
        "report_absence": _move,
        "complain": _complain,
        "concede": _concede,
        "be_judged": _be_judged,
        "review": _review,
        "charge_back": _charge_back,
        "lose_chargeback": _lose_chargeback,
    }
