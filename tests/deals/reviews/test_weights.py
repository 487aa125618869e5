"""What a review counts, and which states follow on which: tables."""

from datetime import UTC, datetime, timedelta

import pytest

from handsel.deals.reviews.states import State, Verb, after
from handsel.deals.reviews.weights import Circumstances, weigh

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def circumstances(
    amount_minor: int = 2_000,
    earlier: int = 0,
    last: timedelta | None = None,
    waited: timedelta = timedelta(0),
    tier: str = "T2",
    reliability: int = 10_000,
) -> Circumstances:
    return Circumstances(
        amount_minor=amount_minor,
        earlier=earlier,
        last_counted_at=None if last is None else NOW - last,
        waited=waited,
        author_tier=tier,
        author_reliability_bps=reliability,
    )


@pytest.mark.parametrize(
    ("seen", "weight"),
    [
        pytest.param(circumstances(), 5_000, id="half the stake, all else at its best"),
        pytest.param(circumstances(amount_minor=0), 0, id="nothing at stake"),
        pytest.param(circumstances(amount_minor=18_000), 9_000, id="much at stake"),
        pytest.param(circumstances(earlier=1), 2_500, id="the second of this pair"),
        pytest.param(circumstances(earlier=3), 1_250, id="the fourth of this pair"),
        pytest.param(circumstances(waited=7 * DAY), 3_750, id="after a week"),
        pytest.param(circumstances(waited=14 * DAY), 2_500, id="on the last day"),
        pytest.param(circumstances(waited=90 * DAY), 2_500, id="never less than half"),
        pytest.param(circumstances(tier="T1"), 3_750, id="an author half known"),
        pytest.param(circumstances(tier="T0"), 2_500, id="an author unknown"),
        pytest.param(circumstances(reliability=8_000), 4_000, id="an author often contradicted"),
        pytest.param(circumstances(last=30 * DAY - DAY / 24), 0, id="the pair within thirty days"),
        pytest.param(circumstances(last=30 * DAY), 5_000, id="thirty days are over"),
        pytest.param(circumstances(10**15, waited=timedelta(1), tier="T5"), 9_642, id="rounded"),
    ],
)
def test_a_review_weighs(seen: Circumstances, weight: int) -> None:
    assert weigh(seen, NOW) == weight


def test_only_four_steps_are_possible() -> None:
    states: tuple[State, ...] = ("pending", "published", "replied", "closed")
    verbs: tuple[Verb, ...] = ("edit", "publish", "reply", "close")

    steps = {(s, v, after(s, v)) for s in states for v in verbs if after(s, v) is not None}

    assert steps == {
        ("pending", "edit", "pending"),
        ("pending", "publish", "published"),
        ("published", "reply", "replied"),
        ("published", "close", "closed"),
    }
