"""Which tier a member reaches, and what they lack for a higher one. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from handsel.people.trust.schemas import Party, ScoreSeen, Step
from handsel.people.trust.table import PolicyTable, Record, Rule, Tier

FloorName = Literal["financial_floor", "social_floor"]
_ABOVE_T0 = tuple(tier for tier in Tier if tier > Tier.T0)
#: A day is a day; an order and a new counterparty are taken for three, a better score for a month.
_DAYS_OF = {"wait_days": 1, "settle_orders": 3, "deal_with_others": 3, "raise_financial_score": 30,
            "raise_social_score": 30, "wait_for_score": 1, "wait_for_limit": 1}  # fmt: skip
_KINDS = {
    "email": "your email address",
    "phone": "your phone number",
    "id_document": "an identity document",
    "bank_account": "a bank account in your name",
    "address": "your address",
}


class Grades(NamedTuple):
    """The tier that each part alone allows."""

    verification: Tier
    track_record: Tier
    financial_score: Tier
    social_score: Tier

    @property
    def tier(self) -> Tier:
        """The effective tier: the lowest of all."""
        return min(self)


def grade(table: PolicyTable, party: Party, now: datetime) -> Grades:
    """The tiers that a member reaches at a business time."""
    have = _measures(party, now)
    record = _highest(table, lambda rule: not _record_gap(rule, have))
    return Grades(
        verification=_highest(table, lambda rule: not _unverified(rule, party)),
        track_record=_raised(table, party, have, record),
        financial_score=_by_score(table, party.financial, "financial_floor"),
        social_score=_by_score(table, party.social, "social_floor"),
    )


def steps_to(table: PolicyTable, party: Party, now: datetime, tier: Tier) -> tuple[Step, ...]:
    """Everything that is missing for a tier; done, all of it, the member has that tier."""
    rules = [table.rule(below) for below in Tier if below <= tier]
    have = _measures(party, now)
    gaps = [_record_gap(rule, have) for rule in rules]
    return (
        *_verify_steps([group for rule in rules for group in _unverified(rule, party)]),
        *_record_steps({name: max(gap.get(name, 0) for gap in gaps) for name in _MEASURES}),
        *_score_steps(rules, party, tier),
    )


def days_of(steps: Iterable[Step]) -> int:
    """A rough length of a path in days, to choose the shorter of two."""
    return sum(
        _DAYS_OF.get(step.code, 0) * (1 if step.code.startswith("raise") else step.count or 1)
        for step in steps
    )


def _highest(table: PolicyTable, passes: Callable[[Rule], bool]) -> Tier:
    """The highest tier whose rule, and each rule below it, passes. T0 at least."""
    reached = Tier.T0
    for tier in _ABOVE_T0:
        if not passes(table.rule(tier)):
            break
        reached = tier
    return reached


def _raised(table: PolicyTable, party: Party, have: dict[str, int], record: Tier) -> Tier:
    """One tier more than the record gives, where two good scores stand in for orders and for half
    of the days: a ring can make orders and counterparties in a weekend, but not time."""
    if record == Tier.T5 or party.matured_labels < table.raising.matured_labels:
        return record
    higher = Tier(record + 1)
    rule = table.rule(higher)
    for score, floor in (
        (party.financial, rule.financial_floor),
        (party.social, rule.social_floor),
    ):
        if score is None or score.low is None or floor is None:
            return record
        if score.low < floor + table.raising.above_floor:
            return record
    gap = _record_gap(rule, have)
    for name in ("days_since_first_settled", "days_since_joined"):
        if gap.get(name, 0) > have[name]:
            return record
    return record if "counterparties" in gap else higher


def _unverified(rule: Rule, party: Party) -> list[tuple[str, ...]]:
    return [group for group in rule.verified if not set(group) & set(party.verified)]


# Track record. The measures in the order in which they are told.
_MEASURES = ("settled_orders", "counterparties", "days_since_first_settled", "days_since_joined")


def _measures(party: Party, now: datetime) -> dict[str, int]:
    return {
        "settled_orders": party.settled_orders,
        "counterparties": party.counterparties,
        "days_since_joined": _days(party.joined_at, now),
        "days_since_first_settled": _days(party.first_settled_at, now),
    }


def _record_gap(rule: Rule, have: dict[str, int]) -> dict[str, int]:
    """What is missing by measure: of ``record_all`` everything, of ``record_any`` the nearest."""
    gap = {name: lack for name, lack in _lacks(rule.record_all, have).items() if lack > 0}
    choices = _lacks(rule.record_any, have)
    if choices and min(choices.values()) > 0:
        nearest = min(choices, key=lambda name: choices[name] * (1 if "days" in name else 3))
        gap[nearest] = max(gap.get(nearest, 0), choices[nearest])
    return gap


def _lacks(record: Record | None, have: dict[str, int]) -> dict[str, int]:
    needs = msgspec.structs.asdict(record) if record else {}
    return {name: need - have[name] for name, need in needs.items() if need > 0}


def _days(since: datetime | None, now: datetime) -> int:
    return max((now - since) // timedelta(days=1), 0) if since else 0


def _record_steps(gap: dict[str, int]) -> Iterable[Step]:
    orders, others = gap["settled_orders"], gap["counterparties"]
    days = max(gap["days_since_joined"], gap["days_since_first_settled"])
    if orders:
        text = f"Bring {orders} more protected order{'s' * (orders > 1)} to a good end."
        yield Step(code="settle_orders", text=text, count=orders)
    if others:
        text = f"Deal with {others} more different {'people' if others > 1 else 'person'}."
        yield Step(code="deal_with_others", text=text, count=others)
    if days:
        since = " after your first order" if gap["days_since_first_settled"] == days else ""
        text = f"Wait {days} more day{'s' * (days > 1)}{since}."
        yield Step(code="wait_days", text=text, count=days)


# Verification.
def _verify_steps(groups: list[tuple[str, ...]]) -> Iterable[Step]:
    told: set[tuple[str, ...]] = set()
    for group in groups:
        covered = any(set(other) < set(group) for other in groups)
        if not covered and group not in told:
            told.add(group)
            text = f"Verify {' or '.join(_KINDS[kind] for kind in group)}."
            yield Step(code="verify", text=text, one_of=group)


# Scores.
def _reached(score: ScoreSeen, rule: Rule) -> int:
    """The end of the interval that must reach the floor; without a number, none is reached."""
    return (score.points if rule.floor_on == "mean" else score.low) or 0


def _by_score(table: PolicyTable, score: ScoreSeen | None, floor: FloorName) -> Tier:
    """Building history holds nobody back; a failed score holds everybody at T1."""
    if score is None or score.state == "building_history":
        return Tier.T5
    if score.state == "failed":
        return Tier.T1
    reached = Tier.TX
    for tier in Tier:
        if tier > reached:
            rule = table.rule(tier)
            if _reached(score, rule) < (getattr(rule, floor) or 0):
                break
            reached = tier
    return reached


def _score_steps(rules: list[Rule], party: Party, tier: Tier) -> Iterable[Step]:
    for name, score in (("financial", party.financial), ("social", party.social)):
        if score is None or score.state == "building_history":
            continue
        if score.state == "failed":
            if tier > Tier.T1:
                text = f"Wait until your {name} score can be computed again."
                yield Step(code="wait_for_score", text=text)
            continue
        floors = [
            floor
            for rule in rules
            if _reached(score, rule) < (floor := getattr(rule, f"{name}_floor") or 0)
        ]
        if floors:
            text = f"Raise your {name} score to {max(floors)} with its doubt; see GET /v1/credit."
            yield Step(code=f"raise_{name}_score", text=text, count=max(floors))
