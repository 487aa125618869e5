"""From a drawn town to what its people do, and when: the script that ``acting`` plays. Pure.

The facts that the simulator writes for a deal are read as a story: who pays, delivers, stays away
or complains, and at what time. What the house does by itself (timers, settlement, publication of
reviews) is in no script: if its facts are to agree with the simulator's, it must have done it.
"""

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from handsel_ml.contract import FULL_WEIGHT_BPS, ROLES, Role
from handsel_ml.contract import FactKind as K
from handsel_ml.facts import KINDS, FactTable
from handsel_ml.simulate import Town
from handsel_ml.simulate.emit import (
    DEFAULT_AFTER_US,
    FIRST_HOLD_US,
    HOLD_US,
    INSPECTION_US,
    NEWCOMERS_HOLD_US,
    PAYMENT_TERM_US,
)
from handsel_ml.tallies import DAY_US

_HOUR_US = DAY_US // 24
_SECOND_US = 1_000_000
#: Who was left waiting says so after twenty minutes.
_WAITED_US = _HOUR_US // 3
#: A complaint comes three days before it is ruled on, and a ruling takes effect after two.
_COMPLAINS_US, _RULES_US = 3 * DAY_US, 2 * DAY_US
#: The time that a review may be written in; one alone is shown at its end.
_REVIEW_WINDOW_US = 14 * DAY_US
_DELIVERED = (K.DELIVERED_ON_TIME, K.DELIVERED_LATE)
#: What a deal can end with; the town may end before it does.
_ENDS = frozenset({
    K.ORDER_SETTLED, K.ORDER_REFUNDED, K.ORDER_CANCELLED_BY_SELF, K.ORDER_CANCELLED_BY_OTHER,
    K.NO_SHOW, K.PAY_AFTER_DEFAULT,
})  # fmt: skip
#: Facts for which the house has no act yet: nobody upholds a report or removes a listing.
NO_ACT = frozenset({K.REPORT_UPHELD, K.LISTING_REMOVED})
#: Deals that this player cannot play, by what tells of them.
_UNPLAYED = {
    K.ITEM_RETURNED: "rental",
    K.ITEM_RETURNED_LATE: "rental",
    K.ITEM_UNRETURNED: "rental",
    K.ORDER_UNFUNDED: "unfunded",
}


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """A drawn deal: members by their number in the town, times in microseconds since 1970.

    ``promised``: nothing is held, the work comes first; ``by_appointment``: a time to meet was
    agreed, rather than one by which it is done; ``fault_bps``: of whoever loses a dispute.
    """

    number: int
    buyer: int
    seller: int
    amount: int
    due: int
    promised: bool = False
    by_appointment: bool = False
    fault_bps: int = FULL_WEIGHT_BPS


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One deed of one member at one time. ``value``: an amount, stars, or a step of the ladder;
    ``other``: whom they write to."""

    at: int
    deed: str
    member: int
    deal: Deal | None = None
    value: int = 0
    other: int = -1


class Script(msgspec.Struct, frozen=True):
    """Deeds in order of time, and the deals that are left out, with why."""

    steps: tuple[Step, ...]
    unplayed: dict[int, str]


class Told(msgspec.Struct, frozen=True):
    """What a fact says, without its kind, role and member."""

    at: int
    amount: int
    value: int
    weight: int


_Facts = dict[tuple[K, Role], Told]


def script_of(town: Town) -> Script:
    """Every deed of the town."""
    steps = [*_alone(town.table), *_talk(town.table)]
    unplayed: dict[int, str] = {}
    for number, facts in _by_order(town.table).items():
        why = [_UNPLAYED[kind] for kind, _ in facts if kind in _UNPLAYED]
        if not any(kind in _ENDS for kind, _ in facts):
            why.append("unfinished")
        if why:
            unplayed[number] = why[0]
            continue
        deal = _deal_of(town, number, facts)
        steps += [*_asked(deal, facts), *_agreed(deal, facts), *_worked(deal, facts)]
        steps += [*_paid(deal, facts), *_disputed(deal, facts), *_reviewed(deal, facts)]
    return Script(tuple(sorted(steps, key=lambda step: step.at)), unplayed)


def _by_order(table: FactTable) -> dict[int, _Facts]:
    """The facts of each deal, by kind and role."""
    found: dict[int, _Facts] = defaultdict(dict)
    columns = (
        table.order, table.kind, table.role, table.known, table.amount, table.value, table.weight,
    )  # fmt: skip
    for order, kind, role, *said in zip(*(column.tolist() for column in columns), strict=True):
        if order >= 0 and role >= 0:
            found[order][KINDS[kind], ROLES[role]] = Told(*said)
    return found


def _alone(table: FactTable) -> Iterator[Step]:
    """What a member does without anybody: join, pass a check, pay in."""
    deeds = {
        K.MEMBER_JOINED: "join",
        K.VERIFICATION_PASSED: "prove",
        K.TOP_UP_SUCCEEDED: "top_up",
        K.TOP_UP_FAILED: "top_up_declined",
    }
    columns = (table.kind, table.known, table.member, table.amount, table.value)
    for kind, known, member, amount, value in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        deed = deeds.get(KINDS[kind])
        if deed is not None:
            yield Step(at=known, deed=deed, member=member, value=max(amount, value))


def _talk(table: FactTable) -> Iterator[Step]:
    """Questions and their answers. An answer that is answered is the question of that answer."""
    columns = (table.kind, table.known, table.member, table.counterparty, table.value)
    answers = [
        (known, member, other, value)
        for kind, known, member, other, value in zip(*(c.tolist() for c in columns), strict=True)
        if KINDS[kind] is K.MESSAGE_ANSWERED
    ]
    said = {(member, other, known) for known, member, other, _ in answers}
    for known, member, other, value in answers:
        yield Step(at=known, deed="say", member=member, other=other)
        asked = known - value * _SECOND_US
        if (other, member, asked) not in said:
            yield Step(at=asked, deed="say", member=other, other=member)


def _deal_of(town: Town, number: int, facts: _Facts) -> Deal:
    exposures, half = town.exposures, len(town.exposures) // 2
    kinds = {kind for kind, _ in facts}
    promised = K.PAY_AFTER_PROMISED in kinds
    lost = [told.weight for (kind, _), told in facts.items() if kind is K.DISPUTE_LOST]
    return Deal(
        number=number,
        buyer=int(exposures.member[number]),
        seller=int(exposures.member[half + number]),
        amount=max((told.amount for told in facts.values()), default=0),
        due=int(exposures.due[number]),
        promised=promised,
        by_appointment=K.NO_SHOW in kinds or (promised and K.DELIVERED_LATE in kinds),
        fault_bps=lost[0] if lost else FULL_WEIGHT_BPS,
    )


def _asked(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """A request before the deal that the seller declined or left alone, at the same price."""
    declined = facts.get((K.ORDER_DECLINED, "seller"))
    ignored = facts.get((K.ORDER_EXPIRED_UNANSWERED, "seller"))
    if declined:
        yield Step(at=declined.at, deed="ask_and_be_declined", member=deal.buyer, deal=deal)
    if ignored:
        yield Step(at=ignored.at - DAY_US, deed="ask_in_vain", member=deal.buyer, deal=deal)


def _agreed(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """The agreement, and what undoes it."""
    funded = facts.get((K.ORDER_FUNDED, "buyer"))
    if funded:
        yield Step(at=funded.at, deed="agree", member=deal.buyer, deal=deal)
    deeds: tuple[tuple[Role, int, str], ...] = (
        ("buyer", deal.buyer, "cancel"),
        ("seller", deal.seller, "withdraw"),
    )
    for role, who, deed in deeds:
        told = facts.get((K.ORDER_CANCELLED_BY_SELF, role))
        if told:
            yield Step(at=told.at, deed=deed, member=who, deal=deal)


def _worked(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """The delivery; or who stays away is reported by whoever came."""
    for kind in _DELIVERED:
        told = facts.get((kind, "seller"))
        if told:
            yield Step(at=told.at, deed="deliver", member=deal.seller, deal=deal)
    at = deal.due + _WAITED_US
    if (K.NO_SHOW, "seller") in facts:
        yield Step(at=at, deed="report_no_show", member=deal.buyer, deal=deal)
    if (K.NO_SHOW, "buyer") in facts:
        yield Step(at=at, deed="report_absence", member=deal.seller, deal=deal)


def _paid(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """Approval of what is held; payment of what was promised; what the bank takes back."""
    settled = facts.get((K.ORDER_SETTLED, "buyer"))
    if settled and not deal.promised and (K.AUTO_APPROVED, "buyer") not in facts:
        at = settled.at - _hold(facts, settled.at)
        yield Step(at=at, deed="approve", member=deal.buyer, deal=deal)
    paid, late, default = (
        facts.get((kind, "buyer"))
        for kind in (K.PAY_AFTER_PAID, K.PAY_AFTER_LATE, K.PAY_AFTER_DEFAULT)
    )
    due = late.at - late.value * _SECOND_US if late else None
    due = default.at - DEFAULT_AFTER_US if default else due
    if due is not None:
        at = due - PAYMENT_TERM_US
        # At the end of the inspection the house approves by itself.
        if at + _HOUR_US // 60 < _delivered(facts) + INSPECTION_US:
            yield Step(at=at, deed="approve", member=deal.buyer, deal=deal)
    on_time = paid or late
    if on_time:
        yield Step(at=on_time.at, deed="pay", member=deal.buyer, deal=deal)
    for kind, deed in ((K.CHARGEBACK, "charge_back"), (K.CHARGEBACK_LOST, "lose_chargeback")):
        told = facts.get((kind, "buyer"))
        if told:
            yield Step(at=told.at, deed=deed, member=deal.buyer, deal=deal, value=told.amount)


def _hold(facts: _Facts, settled: int) -> int:
    """The hold period: the one after which approval comes within the time of inspection."""
    waited = settled - _delivered(facts)
    holds = (FIRST_HOLD_US, HOLD_US, NEWCOMERS_HOLD_US)
    return next(hold for hold in holds if 0 <= waited - hold <= INSPECTION_US)


def _delivered(facts: _Facts) -> int:
    return next(told.at for kind in _DELIVERED if (told := facts.get((kind, "seller"))))


def _disputed(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """Who has all of the fault gives in; where it is shared, the staff rule."""
    sides: tuple[tuple[Role, int, int], ...] = (
        ("buyer", deal.buyer, deal.seller),
        ("seller", deal.seller, deal.buyer),
    )
    for role, loser, other in sides:
        lost = facts.get((K.DISPUTE_LOST, role))
        if lost:
            at = lost.at - _COMPLAINS_US
            yield Step(at=at, deed="complain", member=other, deal=deal)
            if deal.fault_bps == FULL_WEIGHT_BPS:
                yield Step(at=lost.at, deed="concede", member=loser, deal=deal)
            else:
                yield Step(at=lost.at - _RULES_US, deed="be_judged", member=loser, deal=deal)


def _reviewed(deal: Deal, facts: _Facts) -> Iterator[Step]:
    """Two reviews are shown when the second is written; one alone when the time is over, so it was
    written before, in the first hour."""
    of_buyer, of_seller = (facts.get((K.REVIEW_RECEIVED, role)) for role in ROLES)
    both = of_buyer is not None and of_seller is not None and of_buyer.at == of_seller.at
    for told, author in ((of_buyer, deal.seller), (of_seller, deal.buyer)):
        if told:
            at = told.at if both else told.at - _REVIEW_WINDOW_US + _HOUR_US
            yield Step(at=at, deed="review", member=author, deal=deal, value=told.value)
