"""How much a review counts for its subject's score. Pure, whole numbers, ten-thousandths.

Five things, each between nothing and one, multiplied: what was at stake, whether the two have
reviewed each other before, how fresh the memory was, how well we know who speaks, and how reliable
their words have been. Of one pair, one review in thirty days counts at all (mission §5.6), so that
two friends cannot praise each other up. How much an old review still counts is the scorer's
business: it knows the age.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from handsel.deals.reviews.states import WINDOW
from handsel.foundation.core.money import BPS

PAIR_REST = timedelta(days=30)
#: In minor units of the reference currency: an order of this amount counts half of a huge one.
HALF_STAKE_MINOR = 2_000
#: By what we have verified of the author.
_KNOWN = {"T0": 5_000, "T1": 7_500}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a weight is made of. ``earlier``: published reviews of this subject by this author;
    ``last_counted_at``: when the newest of them that counts was published; ``waited``: from
    settlement to writing; ``author_tier``: the author's public identity tier;
    ``author_reliability_bps``: by the newest trust snapshot, whole where there is none."""

    amount_minor: int
    earlier: int
    last_counted_at: datetime | None
    waited: timedelta
    author_tier: str
    author_reliability_bps: int = BPS


def weigh(seen: Circumstances, now: datetime) -> int:
    """Ten-thousandths, 0 to 10,000, rounded down."""
    last = seen.last_counted_at
    if last is not None and now < last + PAIR_REST:
        return 0
    stake = BPS * seen.amount_minor // (seen.amount_minor + HALF_STAKE_MINOR)
    novelty = BPS // (seen.earlier + 1)
    freshness = BPS - BPS // 2 * min(seen.waited, WINDOW) // WINDOW
    known = _KNOWN.get(seen.author_tier, BPS)
    reliable = seen.author_reliability_bps
    return stake * novelty * freshness * known * reliable // BPS**4
