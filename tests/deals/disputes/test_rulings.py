"""Splits, fault, and what a score hears of them: pure."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from handsel.deals.disputes.errors import SplitDoesNotSum
from handsel.deals.disputes.rulings import BondShare, Fault, Ruling, Split, all_to, check_sum
from handsel.foundation.outbox import Event
from handsel.front.worker.disputes import facts_of

BONDS = {"bnd_1": 500}


def a_split(customer: int, provider: int, *shares: tuple[str, int, int]) -> Split:
    bonds = [BondShare(bond_id=b, back_minor=n, other_minor=m) for b, n, m in shares]
    return Split(customer_minor=customer, provider_minor=provider, bonds=bonds)


@pytest.mark.parametrize(
    "split",
    [
        a_split(1000, 1998, ("bnd_1", 500, 0)),
        a_split(1000, 2000, ("bnd_1", 500, 0)),
        a_split(1000, 1999),
        a_split(1000, 1999, ("bnd_1", 500, 1)),
        a_split(1000, 1999, ("bnd_2", 500, 0)),
        a_split(1000, 1999, ("bnd_1", 250, 0), ("bnd_1", 250, 0)),
    ],
)
def test_what_is_shared_is_exactly_what_waits(split: Split) -> None:
    with pytest.raises(SplitDoesNotSum):
        check_sum(split, 2999, BONDS)


def test_all_to_one_side_leaves_the_bonds_with_their_givers() -> None:
    split = all_to("provider", 2999, BONDS)

    assert split == a_split(0, 2999, ("bnd_1", 500, 0))
    check_sum(split, 2999, BONDS)


@pytest.mark.parametrize(
    ("fault", "bps", "shares"),
    [
        ("claimant", None, (10_000, 0)),
        ("respondent", None, (0, 10_000)),
        ("none", None, (0, 0)),
        ("shared", 2500, (2500, 7500)),
    ],
)
def test_the_fault_of_both(fault: Any, bps: int | None, shares: tuple[int, int]) -> None:
    ruling = Ruling(split=a_split(0, 1), reason_code="late", fault=fault, claimant_fault_bps=bps)

    assert ruling.shares == Fault(claimant_bps=shares[0], respondent_bps=shares[1])


def test_a_share_goes_with_a_shared_fault_alone() -> None:
    body = {"split": a_split(0, 1), "reason_code": "late"}
    for wrong in ({"fault": "shared"}, {"fault": "none", "claimant_fault_bps": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(msgspec.to_builtins(body) | wrong, Ruling)


@pytest.mark.parametrize(
    ("claimant", "respondent", "heard"),
    [
        (0, 0, set()),
        (0, 10_000, {("respondent", "dispute_lost"), ("respondent", "dispute_opened_against")}),
        (10_000, 0, {("claimant", "dispute_lost")}),
        (4999, 5001, {("respondent", "dispute_lost"), ("respondent", "dispute_opened_against")}),
        (9000, 1000, {("claimant", "dispute_lost"), ("respondent", "dispute_opened_against")}),
    ],
)
def test_a_score_hears_of_fault(
    claimant: int, respondent: int, heard: set[tuple[str, str]]
) -> None:
    sides = {"claimant": uuid4(), "respondent": uuid4()}
    names = {member: side for side, member in sides.items()}

    found = facts_of(_event(sides, claimant, respondent))

    assert {(names[fact.member_id], fact.kind.value) for fact in found} == heard
    shares = {"claimant": claimant, "respondent": respondent}
    assert all(fact.weight_bps == shares[names[fact.member_id]] for fact in found)
    assert all(fact.role == ("buyer" if fact.member_id == sides["claimant"] else "seller")
               for fact in found)  # fmt: skip


def _event(sides: dict[str, UUID], claimant: int, respondent: int) -> Event:
    body = {f"{side}_id": str(member) for side, member in sides.items()} | {
        "order_id": str(uuid4()),
        "claimant_role": "customer",
        "claimant_fault_bps": claimant,
        "respondent_fault_bps": respondent,
    }
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return Event(
        id=uuid4(), topic="dispute.resolved", aggregate_id=uuid4(), occurred_at=now, payload=body
    )
