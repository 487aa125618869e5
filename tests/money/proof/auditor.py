"""The auditor: the second ledger's holds, and what may come of commands that race.

It is told every command before the database is, and answers with what may happen: the books as they
are afterwards, or the set of codes of which one must be the refusal.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from tests.money.proof.books import HOUSE, LARGEST, Books, Line, Place, Refused, Step

LONGEST_DAYS = 75
DONE = "done"
#: The server was too busy: allowed to racing clients alone, and nothing may have moved.
BUSY = "busy"
_FEES = ("fee", "fund_share", "fee_tax")
#: (code, to, amount).
Leg = tuple[str, Place, int]
#: (hold, seller, all that waits, unit).
Sale = tuple[UUID, UUID, int, str]
Predict = Callable[["Auditor"], None]


@dataclass(frozen=True, slots=True)
class Held:
    """A hold, as its row should read."""

    id: UUID
    unit: str
    amount: int
    payer: Place
    escrow: Place
    state: str = "open"
    released: int = 0
    refunded: int = 0
    fee: int = 0
    pending: int = 0
    payee: UUID | None = None
    disputed: bool = False

    @property
    def left(self) -> int:
        """What is still in escrow."""
        return self.amount - self.refunded if self.state == "open" else 0


@dataclass(frozen=True, slots=True)
class Reserve:
    """What was kept back of a sale; ``number`` is the settlement's, in the order of time."""

    number: int
    order: UUID
    seller: UUID
    unit: str
    left: int


@dataclass(slots=True)
class Auditor(Books):
    """Books with holds and reserves."""

    holds: dict[UUID, Held] = field(default_factory=dict)
    #: Those that may be given back now.
    due: tuple[Reserve, ...] = ()
    #: Top-up to what of it has not gone back to its card.
    cards: dict[UUID, int] = field(default_factory=dict)

    def copy(self) -> "Auditor":
        """Apart from what only grows."""
        twin = Books.copy(self)
        twin.holds, twin.cards = dict(self.holds), dict(self.cards)
        return twin

    def open_hold(self, order: UUID, payer: Place, amount: int, days: int) -> None:
        """From the payer's account into the order's escrow."""
        escrow = ("escrow", order, payer[2])
        wrong = {"holds_pkey"} if order in self.holds else set[str]()
        if not 1 <= amount <= LARGEST:
            wrong.add("invalid_amount")
        if days > LONGEST_DAYS:
            wrong.add("holds_at_most_75_days")
        if wrong:
            raise Refused(*wrong)
        self.holds[order] = Held(order, payer[2], amount, payer, escrow)
        self.post([(payer, escrow, amount, payer[2], "hold")], order, order)

    def refund_part(self, order: UUID, amount: int) -> None:
        """A part back to the payer; the hold stays open."""
        held = self._open(order)
        if amount >= held.left:
            raise Refused("refund_exceeds_remainder")
        step = (held.escrow, held.payer, amount, held.unit, "partial_refund")
        self.post([step], order, order)
        # A mark that no chargeback stands behind ends with what goes back.
        self.holds[order] = replace(held, refunded=held.refunded + amount, disputed=False)

    def resolve(
        self, order: UUID, state: str, legs: Sequence[Leg], payee: UUID | None = None
    ) -> None:
        """Everything that is left; a disputed hold only goes back to its payer."""
        self.post(self._resolve(self._open(order), state, legs, payee), order, order)

    def release_many(self, releases: Sequence[tuple[UUID, UUID, Sequence[Leg]]]) -> None:
        """Many holds at once, of (hold, payee, legs)."""
        helds = [self.holds[order] for order, _, _ in releases if order in self.holds]
        wrong = {"hold_resolved" for held in helds if held.state != "open"}
        wrong |= {"payment_disputed" for held in helds if held.state == "open" and held.disputed}
        if wrong:
            raise Refused(*wrong)
        nothing = any(not any(amount for _, _, amount in legs) for _, _, legs in releases)
        if nothing or len({held.id for held in helds}) < len(releases):
            raise Refused("unknown_hold", "hold_sum_mismatch")  # or the same hold twice
        steps: list[tuple[Step, UUID, UUID | None]] = []
        for held, (order, payee, legs) in zip(helds, releases, strict=True):
            own = self._resolve(held, "released", legs, payee)
            steps += [(step, order, order) for step in own]
        self.post_batch(steps)

    def settle(self, parts: Sequence[tuple[UUID, Place, int, str]]) -> None:
        """Pay pending money on, by parts of (hold, to, amount, code)."""
        orders = list(dict.fromkeys(order for order, _, _, _ in parts))
        if any(order in self.holds and self.holds[order].disputed for order in orders):
            raise Refused("payment_disputed")
        for order in orders:
            total = sum(amount for of, _, amount, _ in parts if of == order)
            if order not in self.holds or self.holds[order].pending != total:
                raise Refused("nothing_pending")
            self.holds[order] = replace(self.holds[order], pending=0)
        units = {order: self.holds[order].unit for order in orders}
        self.post_batch(
            [
                ((("pending", order, units[order]), to, amount, units[order], code), order, None)
                for order, to, amount, code in parts
            ]
        )

    def settle_sales(self, sales: Sequence[Sale], bps: int = 0, *, due: bool = False) -> None:
        """Of each first what the seller owes, then the reserve, rounded down; the rest is his."""
        for order, seller, amount, unit in sales:
            held = self.holds.get(order)
            if held is None or (held.payee, held.pending, held.unit) != (seller, amount, unit):
                raise Refused("nothing_pending")
        parts: list[tuple[UUID, Place, int, str]] = []
        debts: dict[Place, int] = {}
        for order, seller, amount, unit in sales:
            owed, reserve, wallet = ((k, seller, unit) for k in ("receivable", "reserve", "wallet"))
            self.open_accounts(wallet, *([reserve] if bps else []))
            paid = min(amount, debts.setdefault(owed, -self.balances.get(owed, 0)))
            debts[owed] -= paid
            kept = (amount - paid) * bps // 10_000
            parts += [(order, owed, paid, "netted"), (order, reserve, kept, "reserved")]
            parts.append((order, wallet, amount - paid - kept, "settle"))
            if kept and due:
                self.due += (Reserve(len(self.written), order, seller, unit, kept),)
        self.settle([part for part in parts if part[2]])

    def release_reserves(self) -> None:
        """All that is due to the wallets; a stopped account waits."""
        given = sorted(
            (
                one
                for one in self.due
                for wallet, reserve in [_accounts_of(one)]
                if self.states[wallet] == self.states[reserve] == "open"
            ),
            key=lambda one: (one.number, one.order),
        )
        if given:
            self.due = tuple(one for one in self.due if one not in given)
            self.post_batch([(_given_back(one), one.order, None) for one in given])

    def back_to_card(self, top_up: UUID, amount: int) -> None:
        """No more than it brought; a negative amount has failed."""
        self.cards[top_up] -= amount
        if self.cards[top_up] < 0:
            raise Refused("top_ups_refunded_within")

    def mark(self, order: UUID, disputed: bool) -> None:
        """The payer's bank has taken the payment back, or given it back again."""
        self.holds[order] = replace(self.holds[order], disputed=disputed)

    def sums(self) -> list[int]:
        """The same as ``proof.sums`` in SQL."""
        holds = list(self.holds.values())
        return [
            len(self.states),
            sum(self.balances.values()),
            sum(self.restricted.values()),
            sum(state != "open" for state in self.states.values()),
            len(holds),
            sum(held.state == "open" for held in holds),
            sum(held.amount for held in holds),
            sum(held.released for held in holds),
            sum(held.refunded for held in holds),
            sum(held.fee for held in holds),
            sum(held.pending for held in holds),
            sum(held.disputed for held in holds),
            self.acts,
        ]

    def _open(self, order: UUID) -> Held:
        held = self.holds.get(order)
        if held is None:
            raise Refused("unknown_hold")
        if held.state != "open":
            raise Refused("hold_resolved")
        return held

    def _resolve(
        self, held: Held, state: str, legs: Sequence[Leg], payee: UUID | None
    ) -> list[Step]:
        """Write down how it ended; the steps that pay it out."""
        gone = sum(amount for code, _, amount in legs if code == "release")
        back = sum(amount for code, _, amount in legs if code == "refund")
        kept = sum(amount for code, _, amount in legs if code in _FEES)
        if held.disputed and gone + kept > 0:
            raise Refused("payment_disputed")
        wrong = {"hold_sum_mismatch"} if gone + back + kept != held.left else set[str]()
        wrong |= {"wrong_leg" for code, to, _ in legs if to != _goes_to(held, code)}
        if min(gone, kept, held.refunded + back) < 0:
            wrong |= {"holds_released_check", "holds_refunded_check", "holds_fee_check"}
            wrong |= {"holds_pending"}
        if wrong:
            raise Refused(*wrong)
        self.holds[held.id] = replace(
            held, state=state, released=gone, refunded=held.refunded + back, fee=kept,
            pending=gone, payee=payee, disputed=held.disputed and not back,
        )  # fmt: skip
        return [(held.escrow, to, amount, held.unit, code) for code, to, amount in legs if amount]


def _goes_to(held: Held, code: str) -> Place:
    """The only account that a leg of this code may pay."""
    if code == "refund":
        return held.payer
    if code == "release":
        return "pending", held.id, held.unit
    return {"fund_share": "protection_fund"}.get(code, code), HOUSE, held.unit


def _accounts_of(one: Reserve) -> tuple[Place, Place]:
    return ("wallet", one.seller, one.unit), ("reserve", one.seller, one.unit)


def _given_back(one: Reserve) -> Step:
    wallet, reserve = _accounts_of(one)
    return reserve, wallet, one.left, one.unit, "reserve_released"


def predict(books: Auditor, command: Predict) -> tuple[frozenset[str], Auditor]:
    """(what it may answer, the books afterwards) of a command that comes alone."""
    after = books.copy()
    after.lines = list(books.lines)
    try:
        command(after)
    except Refused as refused:
        return refused.codes, books
    return frozenset((DONE,)), after


def explain_race(
    books: Auditor, racers: Sequence[tuple[Predict, str]], found: Container[Line]
) -> Iterator[Auditor]:
    """Every book that some order of these (command, its answer) leaves, writing lines of ``found``.

    None at all means that what the racers were told fits no order in which they could have come.
    """
    # What is refused changes nothing: wherever it may come, it may come at once.
    waiting = [one for one in racers if one[1] == DONE or not _may_answer(books, one)]
    if not waiting:
        yield books
    for one in waiting:
        allowed, after = predict(books, one[0])
        new = after.lines[len(books.lines) :]
        if one[1] in allowed and all(line in found for line in new):
            yield from explain_race(after, [other for other in waiting if other is not one], found)


def _may_answer(books: Auditor, one: tuple[Predict, str]) -> bool:
    return one[1] == BUSY or one[1] in predict(books, one[0])[0]
