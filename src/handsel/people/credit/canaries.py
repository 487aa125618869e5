"""Watching a canary: is it declined more often than the champion, does more go wrong than it says,
does it fail? Then it is rolled back by the house itself, and no person is waited for.

Bounds: ``registry.toml``. Members are sorted into the canary by a hash, so the two sides differ by
the model alone.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np

from handsel.foundation.db.uow import Tx
from handsel.people.credit import registry
from handsel.people.credit.queries import known_fact
from handsel_ml.contract import Fact, ScoreKind, micros
from handsel_ml.facts import table_of
from handsel_ml.labels import exposures_of
from handsel_ml.registry.policy import CanaryBounds, registry_policy

_CANARIES = "SELECT kind, canary_id, canary_since FROM people.model_seats WHERE canary_id <> ''"
_DECLINED = """
SELECT d.inputs -> 'payer' -> $1 ->> 'model_id' = $2 AS by_canary,
       count(*) AS decided, count(*) FILTER (WHERE NOT d.allowed) AS declined
  FROM people.decisions d
 WHERE d.decided_at >= $3 AND d.inputs -> 'payer' -> $1 ->> 'model_id' IS NOT NULL
 GROUP BY 1
"""
_FAILURES = """
SELECT count(*) FROM people.shadow_scores
 WHERE model_id = $1 AND as_of >= $2 AND state = 'failed'
"""
_FORETOLD = """
SELECT member_id, as_of, pd FROM people.score_snapshots
 WHERE kind = $1 AND model_id = $2 AND as_of >= $3 ORDER BY as_of
"""
_FACTS = """
SELECT f.* FROM people.facts f WHERE f.order_id IN (
    SELECT o.order_id FROM people.facts o WHERE o.member_id = ANY ($1::uuid[]) AND o.known_at >= $2)
   AND NOT EXISTS (SELECT FROM people.fact_retractions r WHERE r.fact_id = f.id)
"""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """How a canary does. ``declined_more``: share declined, canary minus champion; None where
    either side has too few decisions. ``observed_to_expected``: of its matured deals, or None where
    it expects too few bads. ``breach``: why it has to stop, or empty."""

    kind: ScoreKind
    model_id: str
    decisions: int
    declined_more: float | None
    observed_to_expected: float | None
    failures: int
    breach: str


async def watch(tx: Tx) -> list[Watched]:
    """Look at every canary; one that breaks a bound is rolled back here and now.

    Raises ``ModelSeated``, ``NothingToRollBack`` where staff were faster: then nothing was done.
    """
    found = []
    for row in await tx.fetch(_CANARIES):
        seen = await _look(tx, row["kind"], row["canary_id"], row["canary_since"])
        found.append(seen)
        if seen.breach:
            await registry.roll_back(
                tx, seen.kind, seen.breach, canary=True, expected=seen.model_id
            )
    return found


async def _look(tx: Tx, kind: ScoreKind, model_id: str, since: datetime) -> Watched:
    bounds = registry_policy().canary
    rows = await tx.fetch(_DECLINED, kind, model_id, since)
    sides = {row["by_canary"]: (row["declined"], row["decided"]) for row in rows}
    failures: int = await tx.fetchval(_FAILURES, model_id, since)
    ours, theirs = sides.get(True, (0, 0)), sides.get(False, (0, 0))
    more = None
    if min(ours[1], theirs[1]) >= bounds.least_decisions:
        more = ours[0] / ours[1] - theirs[0] / theirs[1]
    observed, expected = await _outcomes(tx, kind, model_id, since)
    ratio = observed / expected if expected >= bounds.expected_bads else None
    return Watched(
        kind=kind,
        model_id=model_id,
        decisions=ours[1],
        declined_more=more,
        observed_to_expected=ratio,
        failures=failures,
        breach=breach(bounds, more, ratio, failures),
    )


def breach(bounds: CanaryBounds, more: float | None, ratio: float | None, failures: int) -> str:
    """The first bound that is broken, in words; empty where none is."""
    if failures >= bounds.failures:
        return f"failed {failures} times"
    if more is not None and more > bounds.declined_more:
        return f"declines {more:.1%} more than the champion, at most {bounds.declined_more:.1%}"
    low, high = bounds.calibration
    if ratio is not None and not low <= ratio <= high:
        return f"observed over expected is {ratio:.2f}, bounds {low:.2f} to {high:.2f}"
    return ""


async def _outcomes(tx: Tx, kind: ScoreKind, model_id: str, since: datetime) -> tuple[int, float]:
    """Bads seen and bads foretold in matured deals that were accepted under the canary's score."""
    foretold: dict[UUID, list[tuple[int, float]]] = {}
    for row in await tx.fetch(_FORETOLD, kind, model_id, since):
        foretold.setdefault(row["member_id"], []).append((micros(row["as_of"]), row["pd"]))
    rows = await tx.fetch(_FACTS, list(foretold), since) if foretold else []
    return matured([known_fact(row) for row in rows], foretold, kind, tx.now)


def matured(
    facts: Sequence[Fact], foretold: dict[UUID, list[tuple[int, float]]], kind: ScoreKind,
    now: datetime,
) -> tuple[int, float]:  # fmt: skip
    """(bads seen, bads expected) over the deals of members whose score came from the canary.

    ``foretold``: per member (moment in microseconds, PD), oldest first; the newest one that is not
    later than a deal's acceptance is the one it was accepted under.
    """
    if not facts:
        return 0, 0.0
    table = table_of(facts)
    deals = exposures_of(table)
    label = deals.labels[kind]
    ripe = np.flatnonzero((label >= 0) & (deals.available(kind) <= micros(now)))
    seen, expected = 0, []
    for i in ripe.tolist():
        said = foretold.get(UUID(table.names[deals.member[i]]), [])
        under = [pd for moment, pd in said if moment <= deals.opened[i]]
        if under:
            expected.append(under[-1])
            seen += int(label[i])
    return seen, math.fsum(expected)


def told(watched: Watched) -> dict[str, Any]:
    """For the log and the alert."""
    plain: dict[str, Any] = msgspec.to_builtins(watched)
    return plain
