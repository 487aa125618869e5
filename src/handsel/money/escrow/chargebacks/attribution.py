"""Where the money of a top-up is now: pure, from the lines of its payer's wallet.

Money has no colour, so a rule gives it one. What came by card is spent oldest first (the ledger has
it leave before free money), a hold that goes back returns what it took, newest first, and what goes
back to a card is the money of that card. The lines carry how much restricted money each moved, so
nothing is remembered when money moves, and the same lines always give the same answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

PlaceKind = Literal["wallet", "hold", "contested", "card", "spent"]
#: (what it is, which one): a hold's id, a chargeback's id, a top-up's id for a card.
Place = tuple[PlaceKind, UUID | None]

WALLET: Place = ("wallet", None)
SPENT: Place = ("spent", None)


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer of the wallet that moved restricted money: ``delta`` is what came (positive) or
    went. ``about`` is the hold's id, or else what the transfer refers to."""

    code: str
    about: UUID
    delta: int


@dataclass(slots=True)
class _Coloured:
    """Top-up to amount, by place; ``age`` counts top-ups as they came."""

    places: dict[Place, dict[UUID, int]] = field(default_factory=dict)
    age: dict[UUID, int] = field(default_factory=dict)

    def add(self, place: Place, top_up: UUID, amount: int) -> None:
        self.age.setdefault(top_up, len(self.age))
        there = self.places.setdefault(place, {})
        there[top_up] = there.get(top_up, 0) + amount

    def take(self, place: Place, amount: int, *, newest: bool) -> dict[UUID, int]:
        """Up to ``amount`` out of a place, by age."""
        there = self.places.get(place, {})
        taken: dict[UUID, int] = {}
        for top_up in sorted(there, key=self.age.__getitem__, reverse=newest):
            part = min(there[top_up], amount - sum(taken.values()))
            if part:
                taken[top_up] = part
                self._drop(place, top_up, part)
        return taken

    def move(self, source: Place, target: Place, amount: int, *, newest: bool) -> int:
        """How much of ``amount`` was there and has moved."""
        taken = self.take(source, amount, newest=newest)
        for top_up, part in taken.items():
            self.add(target, top_up, part)
        return sum(taken.values())

    def move_of(self, top_up: UUID, source: Place, target: Place, amount: int) -> None:
        """Move money of one top-up. What is missing of it where it leaves changes its colour with
        money of it elsewhere, so that no top-up ever has more or less than came in."""
        own = min(self.places.get(source, {}).get(top_up, 0), amount)
        if own:
            self._drop(source, top_up, own)
            self.add(target, top_up, own)
        for other, part in self.take(source, amount - own, newest=True).items():
            swapped = self._recolour(top_up, other, part, but={source, target})
            if swapped:
                self.add(target, top_up, swapped)
            if part > swapped:
                self.add(target, other, part - swapped)

    def _recolour(self, was: UUID, now: UUID, amount: int, but: set[Place]) -> int:
        left = amount
        for place in sorted(self.places.keys() - but, key=str):
            part = min(self.places[place].get(was, 0), left)
            if part:
                self._drop(place, was, part)
                self.add(place, now, part)
                left -= part
        return amount - left

    def _drop(self, place: Place, top_up: UUID, amount: int) -> None:
        there = self.places[place]
        there[top_up] -= amount
        if not there[top_up]:
            del there[top_up]


def attribute(
    lines: Iterable[Line], top_up_of: Mapping[UUID, UUID]
) -> dict[UUID, dict[Place, int]]:
    """Top-up to where its money is, in minor units; the places of a top-up sum to what came in.

    ``lines``: oldest first. ``top_up_of``: card refunds and chargebacks to the top-up they are of.
    """
    money = _Coloured()
    for line in lines:
        if line.delta < 0:
            _leave(money, line, -line.delta, top_up_of)
        elif line.delta > 0:
            _come(money, line, line.delta, top_up_of)
    found: dict[UUID, dict[Place, int]] = {}
    for place, there in money.places.items():
        for top_up, amount in there.items():
            found.setdefault(top_up, {})[place] = amount
    return found


def _leave(money: _Coloured, line: Line, amount: int, top_up_of: Mapping[UUID, UUID]) -> None:
    own = top_up_of.get(line.about)
    if line.code == "card_refund" and own is not None:
        money.move_of(own, WALLET, ("card", own), amount)
    elif line.code == "contest":
        # A seller's own card money is also set aside for what somebody else's bank took back.
        place: Place = ("contested", line.about)
        if own is not None and own in money.age:
            money.move_of(own, WALLET, place, amount)
        else:
            money.move(WALLET, place, amount, newest=False)
    else:
        target: Place = ("hold", line.about) if line.code == "hold" else SPENT
        money.move(WALLET, target, amount, newest=False)


def _come(money: _Coloured, line: Line, amount: int, top_up_of: Mapping[UUID, UUID]) -> None:
    own = top_up_of.get(line.about)
    # Card money that somebody else has given is nobody's card here: a top-up of its own.
    if line.code in ("top_up", "arrive"):
        money.add(WALLET, line.about, amount)
        return
    source: Place
    if line.code == "card_refund_failed" and own is not None:
        source = ("card", own)
    elif line.code in ("refund", "partial_refund", "sale_refund_card"):
        source = ("hold", line.about)
    elif line.code == "contest_returned":
        source = ("contested", line.about)
    else:
        source = SPENT
    came = money.move(source, WALLET, amount, newest=True)
    if came < amount:  # by a way that is not known here: it counts as a top-up of its own
        money.add(WALLET, line.about, amount - came)
