"""The hand that chooses: who, how much, which order, mostly sensible and sometimes hostile.

All of its luck is one ``random.Random``: a seeded one in the drivers, one of Hypothesis' making
(whose choices shrink) in the machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.ledger.service import Account
from tests.money.proof.auditor import Auditor, Held, Predict
from tests.money.proof.books import HOUSE, LARGEST, Place

T = TypeVar("T")
UNITS = ("EUR", "JPY")
_HOSTILE = (0, -1, LARGEST, LARGEST + 1)


@dataclass(frozen=True)
class Command:
    """What is done, as the auditor hears it and as the ledger gets it.

    ``send`` collects it in a transaction; ``owner_sql`` are statements that only the owner of the
    database may run, one after another. ``after`` is told whether it was done.
    """

    text: str
    predict: Predict
    send: Callable[[Tx], None] | None = None
    owner_sql: tuple[str, ...] = ()
    after: Callable[[bool], None] = lambda done: None


@dataclass
class Paper:
    """An intent that waits for its provider; of a card refund, the top-up that it is taken of."""

    id: UUID
    wallet: Place
    amount: int
    of: UUID | None = None


@dataclass
class Hand:
    """Draws for one epoch. ``pinned`` and ``pinned_hold``: what racers all reach for."""

    luck: Random
    books: Auditor
    members: Sequence[UUID]
    top_ups: list[Paper] = field(default_factory=list)
    payouts: list[Paper] = field(default_factory=list)
    card_refunds: list[Paper] = field(default_factory=list)
    pinned: Place | None = None
    pinned_hold: UUID | None = None

    def chance(self, percent: int) -> bool:
        """True so often."""
        return self.luck.randrange(100) < percent

    def pick(self, of: Sequence[T]) -> T:
        """One of these."""
        return of[self.luck.randrange(len(of))]

    def uuid(self) -> UUID:
        """A new id, which follows from the seed."""
        return UUID(int=self.luck.getrandbits(128), version=4)

    def unit(self) -> str:
        """Mostly euros, so that things meet."""
        return UNITS[0] if self.chance(80) else UNITS[1]

    def wallet(self, unit: str | None = None) -> Place:
        """Somebody's wallet; now and then one that was never opened."""
        if self.pinned and unit in (None, self.pinned[2]):
            return self.pinned
        return "wallet", self.pick(self.members), unit or self.unit()

    def other(self, place: Place) -> Place:
        """Another member's wallet in the same unit."""
        others = [member for member in self.members if member != place[1]]
        return "wallet", self.pick(others), place[2]

    def amount(self, place: Place | None = None) -> int:
        """Up to what is there, mostly; the edges of it, and of what can be written, sometimes."""
        there = self.books.balances.get(place, 0) if place else 0
        luck = self.luck.randrange(100)
        if luck < 4:
            return self.pick(_HOSTILE)
        if luck < 10:
            return there
        if luck < 14:
            return there + 1
        return self.luck.randrange(1, 1 + max(there // 2, 20))

    def part(self, whole: int) -> int:
        """Some of it: nothing and everything are as likely as the cents beside them."""
        edges = (0, 1, whole - 1, whole)
        wanted = self.pick(edges) if self.chance(30) else self.luck.randrange(max(whole, 0) + 1)
        return min(max(wanted, 0), whole)

    def hold(self, state: str = "open") -> Held | None:
        """Mostly one in this state (``waiting``: with pending money), sometimes any."""
        if self.pinned_hold:
            return self.books.holds[self.pinned_hold]
        every = list(self.books.holds.values())
        wanted = [held for held in every if _is(held, state)]
        return self.pick(wanted if wanted and self.chance(90) else every) if every else None

    def payee(self, held: Held) -> UUID:
        """Anybody but the payer."""
        return self.pick([member for member in self.members if member != held.payer[1]])

    def fee(self, whole: int) -> tuple[int, int, int]:
        """(fee, the fund's part of it, the tax in it)."""
        fee = self.part(whole // 5) if self.chance(60) else 0
        fund = self.part(fee)
        return fee, fund, self.part(fee - fund) if self.chance(30) else 0


def _is(held: Held, state: str) -> bool:
    return held.pending > 0 if state == "waiting" else held.state == state


def house(kind: str, unit: str) -> Place:
    """An account of the house."""
    return kind, HOUSE, unit


def account(place: Place) -> Account:
    """The ledger's word for a place."""
    return Account(*place)
