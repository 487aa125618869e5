"""Where a payment is now: against a model that moves single cents, and some cases by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import given, settings

from handsel.money.escrow.chargebacks.attribution import Line, Place, attribute

WALLET: Place = ("wallet", None)


def uid(number: int) -> UUID:
    return UUID(int=number)


def places(lines: list[Line], **of: UUID) -> dict[UUID, dict[Place, int]]:
    return attribute(lines, {uid(int(k[1:])): v for k, v in of.items()})


def test_the_oldest_card_pays_first() -> None:
    lines = [Line("top_up", uid(1), 50), Line("top_up", uid(2), 30), Line("hold", uid(9), -60)]

    found = places(lines)

    assert found == {uid(1): {("hold", uid(9)): 50}, uid(2): {WALLET: 20, ("hold", uid(9)): 10}}


def test_a_part_that_goes_back_is_the_newest_of_what_was_taken() -> None:
    lines = [
        Line("top_up", uid(1), 50),
        Line("top_up", uid(2), 30),
        Line("hold", uid(9), -60),
        Line("partial_refund", uid(9), 15),
    ]

    found = places(lines)

    assert found == {uid(1): {WALLET: 5, ("hold", uid(9)): 45}, uid(2): {WALLET: 30}}


def test_a_sale_undone_takes_the_card_money_out_of_its_hold() -> None:
    lines = [
        Line("top_up", uid(1), 50),
        Line("hold", uid(9), -40),
        Line("sale_refund_card", uid(9), 30),
    ]

    found = places(lines)

    assert found == {uid(1): {WALLET: 40, ("hold", uid(9)): 10}}


def test_a_refund_to_a_card_is_that_cards_money_whatever_lay_in_the_wallet() -> None:
    lines = [
        Line("top_up", uid(1), 50),
        Line("top_up", uid(2), 50),
        Line("hold", uid(9), -50),
        Line("card_refund", uid(5), -20),
    ]

    found = places(lines, r5=uid(1))

    # 20 of the first card's money change colour with 20 of the second's in the hold.
    assert found == {
        uid(1): {("card", uid(1)): 20, ("hold", uid(9)): 30},
        uid(2): {WALLET: 30, ("hold", uid(9)): 20},
    }


def test_what_is_set_aside_for_others_is_spent_by_age_and_comes_back() -> None:
    lines = [Line("top_up", uid(1), 50), Line("contest", uid(7), -40)]

    away = places(lines)
    back = places([*lines, Line("contest_returned", uid(7), 40)])

    assert away == {uid(1): {WALLET: 10, ("contested", uid(7)): 40}}
    assert back == {uid(1): {WALLET: 50}}


def test_restricted_money_of_unknown_origin_counts_as_a_top_up_of_its_own() -> None:
    assert places([Line("reversal", uid(3), 25)]) == {uid(3): {WALLET: 25}}


# A model that shares nothing with the code: every cent is a word in a list.


@dataclass
class Cents:
    """Place to the colours of its cents; ``born`` says in which order colours came."""

    at: dict[Place, list[int]] = field(default_factory=dict)
    born: list[int] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    cards: dict[UUID, UUID] = field(default_factory=dict)

    def __getitem__(self, place: Place) -> list[int]:
        return self.at.setdefault(place, [])

    def pick(self, place: Place, newest: bool) -> int:
        key: Callable[[int], int] = self.born.index
        colour = (max if newest else min)(self[place], key=key)
        self[place].remove(colour)
        return colour

    def note(self, code: str, about: int, delta: int) -> None:
        self.lines.append(Line(code, uid(about), delta))

    def top_up(self, amount: int) -> None:
        colour = 1000 + len(self.born)
        self.born.append(colour)
        self[WALLET].extend([colour] * amount)
        self.note("top_up", colour, amount)

    def leave(self, code: str, about: int, place: Place, amount: int) -> None:
        amount = min(amount, len(self[WALLET]))
        for _ in range(amount):
            self[place].append(self.pick(WALLET, newest=False))
        self.note(code, about, -amount)

    def come(self, code: str, about: int, place: Place, amount: int) -> None:
        amount = min(amount, len(self[place]))
        for _ in range(amount):
            self[WALLET].append(self.pick(place, newest=True))
        self.note(code, about, amount)

    def to_card(self, about: int, nth: int, amount: int) -> None:
        if not self.born:
            return
        colour = self.born[nth % len(self.born)]
        card: Place = ("card", uid(colour))
        outside = [p for p in self.at if p not in (WALLET, card)]
        able = self[WALLET].count(colour) + sum(self[p].count(colour) for p in outside)
        amount = min(amount, able, len(self[WALLET]))
        self.cards[uid(about)] = uid(colour)
        self.note("card_refund", about, -amount)
        own = min(amount, self[WALLET].count(colour))
        for _ in range(own):
            self[WALLET].remove(colour)
            self[card].append(colour)
        for _ in range(amount - own):
            other = self.pick(WALLET, newest=True)
            where = next(p for p in sorted(outside, key=str) if colour in self[p])
            self[where].remove(colour)
            self[where].append(other)
            self[card].append(colour)

    def told(self) -> dict[UUID, dict[Place, int]]:
        found: dict[UUID, dict[Place, int]] = {}
        for place, colours in self.at.items():
            for colour in colours:
                there = found.setdefault(uid(colour), {})
                there[place] = there.get(place, 0) + 1
        return found


AMOUNT = st.integers(1, 40)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("top_up"), AMOUNT),
        st.tuples(st.just("hold"), st.integers(1, 4), AMOUNT),
        st.tuples(st.sampled_from(["refund", "partial_refund"]), st.integers(1, 4), AMOUNT),
        st.tuples(st.just("adjustment"), AMOUNT),
        st.tuples(st.just("contest"), st.integers(11, 12), AMOUNT),
        st.tuples(st.just("contest_returned"), st.integers(11, 12), AMOUNT),
        st.tuples(st.just("card"), st.integers(0, 5), AMOUNT),
    ),
    max_size=25,
)


def play(moves: list[tuple[object, ...]]) -> Cents:
    model = Cents()
    for number, (name, *rest) in enumerate(moves):
        numbers = [int(str(n)) for n in rest]
        if name == "top_up":
            model.top_up(numbers[0])
        elif name == "card":
            model.to_card(2000 + number, *numbers)
        elif name == "adjustment":
            model.leave("adjustment", 3000, ("spent", None), numbers[0])
        elif name in ("hold", "contest"):
            kind = "hold" if name == "hold" else "contested"
            model.leave(str(name), numbers[0], (kind, uid(numbers[0])), numbers[1])  # type: ignore[arg-type]
        else:
            kind = "contested" if name == "contest_returned" else "hold"
            model.come(str(name), numbers[0], (kind, uid(numbers[0])), numbers[1])  # type: ignore[arg-type]
    return model


@settings(max_examples=400, deadline=None)
@given(MOVES)
def test_it_agrees_with_the_model_of_single_cents(moves: list[tuple[object, ...]]) -> None:
    model = play(moves)

    found = attribute(model.lines, model.cards)

    assert found == model.told()


@settings(max_examples=200, deadline=None)
@given(MOVES)
def test_the_parts_of_a_payment_sum_to_it(moves: list[tuple[object, ...]]) -> None:
    model = play(moves)
    came: dict[UUID, int] = {}
    for line in model.lines:
        if line.code == "top_up":
            came[line.about] = came.get(line.about, 0) + line.delta

    found = attribute(model.lines, model.cards)

    assert {top_up: sum(there.values()) for top_up, there in found.items()} == came
    assert found == attribute(list(model.lines), dict(model.cards))
