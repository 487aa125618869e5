"""The trust graph in the house: vetted seeds, nightly snapshots, what a rater's word weighs.

``people.trust_seeds`` (two of staff each), ``people.trust_runs`` and ``people.trust_snapshots``
(append-only, by method) belong to this file. A snapshot as of a moment sees deals, reviews and
verifications known strictly before it; with fewer seeds than the method wants it claims nothing,
and everybody has the prior. It weighs reviews; neither score reads it (`handsel_ml.graph.assess`
says why). The mathematics is `handsel_ml`'s; here is reading, numbering and storing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.core.money import BPS
from handsel.foundation.db.uow import Tx
from handsel.people.credit.errors import SnapshotTooNew
from handsel.people.credit.queries import Reader

if TYPE_CHECKING:
    from handsel_ml.graph.assess import Assessed
    from handsel_ml.graph.deals import Deals

#: Orders closed and paid, both sides told. Bad news that was known by then (money taken back, a
#: refund) leaves the order out. Stars 0: no word.
_DEALS = """
WITH known AS MATERIALIZED (
    SELECT f.member_id, f.kind, f.order_id, f.counterparty_id, f.role, f.amount_minor, f.value,
           f.happened_at
      FROM people.facts f
     WHERE f.known_at < $1 AND f.happened_at < $1 AND f.order_id IS NOT NULL
       AND f.kind IN ('order_funded', 'order_settled', 'order_refunded', 'chargeback',
                      'review_received')
       AND NOT EXISTS (SELECT FROM people.fact_retractions r
                        WHERE r.fact_id = f.id AND r.retracted_at < $1)),
orders AS (
    SELECT order_id,
           max(happened_at) FILTER (WHERE kind = 'order_settled') AS closed_at,
           min(happened_at) FILTER (WHERE kind = 'order_funded') AS funded_at,
           max(value) FILTER (WHERE kind = 'review_received' AND role = 'seller') AS by_buyer,
           max(value) FILTER (WHERE kind = 'review_received' AND role = 'buyer') AS by_seller,
           bool_or(kind IN ('order_refunded', 'chargeback')) AS undone,
           count(DISTINCT role) FILTER (WHERE kind = 'order_settled') AS told
      FROM known GROUP BY order_id)
SELECT s.counterparty_id AS buyer, s.member_id AS seller, s.amount_minor AS held,
       coalesce(extract(epoch FROM o.closed_at - o.funded_at), 0)::float8 AS held_s,
       extract(epoch FROM o.closed_at)::float8 AS closed_at,
       coalesce(o.by_buyer, 0) AS buyer_stars, coalesce(o.by_seller, 0) AS seller_stars
  FROM orders o
  JOIN known s ON s.order_id = o.order_id AND s.kind = 'order_settled' AND s.role = 'seller'
 WHERE o.told = 2 AND NOT o.undone
 ORDER BY o.closed_at, o.order_id
"""
#: An identity document or a bank account: what cannot be had fifty times.
_VERIFIED = """
SELECT DISTINCT f.member_id FROM people.facts f
 WHERE f.kind = 'verification_passed' AND f.value IN (3, 4) AND f.known_at < $1
   AND NOT EXISTS (SELECT FROM people.fact_retractions r
                    WHERE r.fact_id = f.id AND r.retracted_at < $1)
"""
_SEEDS = """
SELECT member_id FROM people.trust_seeds
 WHERE approved_at < $1 AND (ended_at IS NULL OR ended_at >= $1) ORDER BY member_id
"""
_RECORD = (
    "timestamptz", "text", "bool", "int", "int", "uuid[]", "float8[]", "float8[]", "float8[]",
    "int[]", "float8[]",
)  # fmt: skip


class TrustRun(NamedTuple):
    """What a snapshot was made of; ``members`` is 0 where nothing is claimed."""

    as_of: datetime
    method: str
    claimed: bool
    seeds: int
    deals: int
    members: int


class Facts(NamedTuple):
    """What was known before a moment: rows of deals, members verified, seeds, linked pairs."""

    deals: Sequence[Any]
    verified: frozenset[UUID]
    seeds: Sequence[UUID]
    linked: frozenset[tuple[UUID, UUID]]


class Made(NamedTuple):
    """Figures in the order of ``members``; None where there are too few seeds."""

    members: list[UUID]
    found: "Assessed | None"


async def propose_seed(tx: Tx, staff: UUID, member_id: UUID) -> bool:
    """Propose a vetted member, or approve what another one of staff proposed; whether it is
    approved now. Raises ``SeedNeedsSecond``, ``SeedEnded``, ``SeedOneself``, ``SeedStaffOnly``."""
    approved: bool = await tx.fetchval("SELECT people.seed_trust($1, $2)", member_id, staff)
    act = "seed_approved" if approved else "seed_proposed"
    audit.record(tx, "trust_graph", act, {}, subject_id=member_id, actor_id=staff)
    return approved


async def end_seed(tx: Tx, staff: UUID, member_id: UUID) -> None:
    """Vouch for a member no longer; snapshots from now on know it. Raises ``SeedUnknown``."""
    await tx.execute("SELECT people.end_seed($1, $2)", member_id, staff)
    audit.record(tx, "trust_graph", "seed_ended", {}, subject_id=member_id, actor_id=staff)


async def known_before(reader: Reader, moment: datetime) -> Facts:
    """Read all that a snapshot as of a moment may see."""
    links = await reader.fetch("SELECT one_id, other_id FROM people.trust_links($1)", moment)
    return Facts(
        deals=await reader.fetch(_DEALS, moment),
        verified=frozenset(row["member_id"] for row in await reader.fetch(_VERIFIED, moment)),
        seeds=[row["member_id"] for row in await reader.fetch(_SEEDS, moment)],
        linked=frozenset((row["one_id"], row["other_id"]) for row in links),
    )


def assessed(facts: Facts, moment: datetime) -> Made:
    """The figures as of a moment, and of whom. No I/O; seconds for a million deals."""
    import numpy as np

    from handsel_ml.graph.assess import assess

    parties = {row[side] for row in facts.deals for side in ("buyer", "seller")}
    members = sorted(parties | set(facts.seeds))
    index = {member: i for i, member in enumerate(members)}
    verified = np.array([member in facts.verified for member in members], dtype=bool)
    seeds = np.array([index[seed] for seed in facts.seeds], dtype=np.int64)
    return Made(members, assess(_columns(facts, index), verified, seeds, moment.timestamp()))


def _columns(facts: Facts, index: dict[UUID, int]) -> "Deals":
    import numpy as np

    from handsel_ml.graph.deals import Deals

    def column(name: str, kind: Any) -> Any:
        return np.array([row[name] for row in facts.deals], dtype=kind)

    return Deals(
        members=len(index),
        buyer=np.array([index[row["buyer"]] for row in facts.deals], dtype=np.int64),
        seller=np.array([index[row["seller"]] for row in facts.deals], dtype=np.int64),
        held=column("held", np.int64),
        held_s=column("held_s", np.float64),
        closed_at=column("closed_at", np.float64),
        buyer_stars=column("buyer_stars", np.int64),
        seller_stars=column("seller_stars", np.int64),
        linked=np.array([_is_linked(facts, row) for row in facts.deals], dtype=bool),
    )


def _is_linked(facts: Facts, deal: Any) -> bool:
    return (min(deal["buyer"], deal["seller"]), max(deal["buyer"], deal["seller"])) in facts.linked


def store(tx: Tx, facts: Facts, moment: datetime, made: Made) -> TrustRun:
    """Store a snapshot with the transaction. One that is there already stays as it is: the same
    moment and method give the same figures."""
    from handsel_ml.graph.assess import METHOD

    found = made.found
    members = made.members if found is not None else []
    figures: list[list[Any]] = [[], [], [], [], []]
    if found is not None:
        bps = [int(share * BPS) for share in found.reliability.tolist()]
        plain = (found.trust, found.standing, found.voices)
        figures = [*(part.tolist() for part in plain), bps, found.compared.tolist()]
    run = TrustRun(
        moment, METHOD, found is not None, len(facts.seeds), len(facts.deals), len(members)
    )
    tx.call("people.record_trust", _RECORD, *run[:-1], members, *figures)
    return run


async def snapshot(tx: Tx, moment: datetime) -> TrustRun:
    """Read, assess and store in one transaction; for use by hand. Raises ``SnapshotTooNew``."""
    if moment > tx.now:
        raise SnapshotTooNew(f"{moment:%Y-%m-%d %H:%M} lies in the future")
    facts = await known_before(tx, moment)
    return store(tx, facts, moment, assessed(facts, moment))


async def newest_run(reader: Reader, moment: datetime) -> TrustRun | None:
    """The newest snapshot as of a moment or before, or None."""
    row = await reader.fetchrow(
        "SELECT as_of, method, claimed, seeds, deals, members FROM people.trust_runs"
        " WHERE as_of <= $1 ORDER BY as_of DESC, recorded_at DESC LIMIT 1",
        moment,
    )
    return None if row is None else TrustRun(**dict(row))


async def reliability_of(reader: Reader, rater: UUID, moment: datetime) -> int | None:
    """What a rater's word is worth by the newest snapshot at a moment, ten-thousandths; None where
    nothing is claimed or this rater had dealt with nobody yet."""
    run = await newest_run(reader, moment)
    if run is None or not run.claimed:
        return None
    found: int | None = await reader.fetchval(
        "SELECT reliability_bps FROM people.trust_snapshots"
        " WHERE as_of = $1 AND method = $2 AND member_id = $3",
        run.as_of,
        run.method,
        rater,
    )
    return found
