"""The register's verbs: who was registered, judged, approved, tried and promoted, and by whom.

The rules are in the database (revision 0028): each verb locks the seats of its kind, refuses by a
problem's code, and tells the audit chain. Here the files are checked against the hashes that were
registered, so nobody is seated whose files were changed.

An actor is a member of staff, or None: whoever has the command line, or the house itself.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec

from handsel.foundation.db.uow import Tx
from handsel.people.credit.errors import BundleTampered, BundleUnusable, ModelSeated, ModelUnknown
from handsel.people.credit.queries import Reader
from handsel_ml.bundle import read_bundle
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.errors import BundleInvalid
from handsel_ml.model import Model
from handsel_ml.registry.gates import GateTable
from handsel_ml.registry.policy import registry_policy
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES

_REGISTERED = "SELECT people.register_model($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)"
_TO_GO = """
SELECT CASE WHEN $2 OR s.champion_id IS NULL THEN s.canary_id ELSE s.champion_id END AS model_id,
       (SELECT max(e.model_id) FROM people.model_events e
         WHERE e.kind = s.kind AND e.what = 'rolled_back'
           AND e.at > foundation.handsel_now() - interval '10 minutes') AS gone
  FROM people.model_seats s WHERE s.kind = $1
"""
_CANDIDATES = """
SELECT m.model_id, m.kind, m.trained_as_of, m.rows, m.metrics, m.shipped, m.registered_at,
       CASE WHEN m.model_id = coalesce(s.champion_id, $2::jsonb ->> m.kind) THEN 'champion'
            WHEN m.model_id = s.canary_id THEN 'canary'
            WHEN m.model_id = ANY (s.shadow_ids) THEN 'shadow' ELSE e.what END AS state,
       CASE m.model_id WHEN s.canary_id THEN s.canary_bps END AS share_bps,
       e.at AS since
  FROM people.models m JOIN people.model_seats s USING (kind)
  JOIN LATERAL (SELECT what, at FROM people.model_events e
                 WHERE e.model_id = m.model_id ORDER BY e.id DESC LIMIT 1) AS e ON true
 WHERE $1::text IS NULL OR m.model_id = $1
 ORDER BY m.kind, m.registered_at, m.model_id
"""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model. ``state``: its seat, or else the newest of its events."""

    model_id: str
    kind: ScoreKind
    trained_as_of: datetime
    rows: int
    metrics: dict[str, Any]
    shipped: bool
    registered_at: datetime
    state: str
    share_bps: int | None
    since: datetime


async def register(tx: Tx, folder: Path, shelf: Shelf, actor: UUID | None = None) -> str:
    """Enter a bundle and keep a copy of it; its id. Again, it changes nothing.

    Raises ``BundleUnusable`` (also for a moment of training that cannot be), ``BundleTampered``.
    """
    return await _enter(tx, folder, shelf, actor, shipped=False)


async def adopt_shipped(tx: Tx, shelf: Shelf) -> dict[ScoreKind, str]:
    """Enter the models that ship with the code, so that what they decided can be replayed after
    they are gone. They serve without it; their ids."""
    return {
        kind: await _enter(tx, BUNDLES / kind, shelf, None, shipped=True) for kind in SCORE_KINDS
    }


async def candidates(reader: Reader, model_id: str | None = None) -> Sequence[Candidate]:
    """All models of the register, or the one."""
    shipped = {kind: read_bundle(BUNDLES / kind)[1].model_id for kind in SCORE_KINDS}
    rows = await reader.fetch(_CANDIDATES, model_id, shipped)
    return [msgspec.convert(dict(row), Candidate) for row in rows]


async def champion_of(tx: Tx, kind: ScoreKind, shelf: Shelf) -> str:
    """The id of the model that serves a kind now: the register's, or the shipped one."""
    found: str | None = await tx.fetchval(
        "SELECT champion_id FROM people.model_seats WHERE kind = $1", kind
    )
    return found or (await adopt_shipped(tx, shelf))[kind]


async def model_of(reader: Reader, model_id: str, shelf: Shelf) -> Model:
    """A registered model, its files checked. Raises ``ModelUnknown``, ``BundleTampered``,
    ``BundleUnusable``."""
    row = await reader.fetchrow("SELECT * FROM people.models WHERE model_id = $1", model_id)
    if row is None:
        raise ModelUnknown(f"there is no model {model_id} in the register")
    try:
        # Loaded afresh: what is kept in memory says nothing of the files.
        return shelf.load(row["model_id"], row["model_sha256"], row["bundle_sha256"])
    except BundleInvalid as error:
        raise _problem(error) from error


async def shadow(tx: Tx, model_id: str, shelf: Shelf, actor: UUID | None = None) -> None:
    """Let a model score everybody beside the champion, unseen."""
    await model_of(tx, model_id, shelf)
    await tx.execute("SELECT people.shadow_model($1, $2)", model_id, actor)


async def judge(tx: Tx, table: GateTable, actor: UUID | None = None) -> None:
    """Keep a judgement with the model it is of."""
    await tx.execute(
        "SELECT people.judge_model($1, $2, $3, $4::jsonb, $5)",
        table.challenger_id,
        table.champion_id,
        table.passed,
        table.gates,
        actor,
    )


async def approve(tx: Tx, model_id: str, shelf: Shelf, actor: UUID) -> int:
    """A member of staff stands for a model and its newest gates; how many do now.

    Raises ``ModelNotStaff``, ``GatesNotPassed``; ``SecondApproverNeeded`` for who does already.
    """
    model = await model_of(tx, model_id, shelf)
    champion = await champion_of(tx, model.kind, shelf)
    count: int = await tx.fetchval(
        "SELECT people.approve_model($1, $2, $3)", model_id, champion, actor
    )
    return count


async def canary(
    tx: Tx, model_id: str, share_bps: int, shelf: Shelf, actor: UUID | None = None
) -> None:
    """Score a share of the members by a challenger that is ready; again, with another share.

    Raises what ``promote`` does, and ``ShareInvalid``.
    """
    await model_of(tx, model_id, shelf)
    shipped = await _shipped_of(tx, model_id, shelf)
    await tx.execute(
        "SELECT people.set_canary($1, $2, $3, $4, $5)",
        model_id, shipped, share_bps, _shadow_time(), actor,
    )  # fmt: skip


async def promote(tx: Tx, model_id: str, shelf: Shelf, actor: UUID | None = None) -> None:
    """Make a challenger that is ready the champion; every refresh from now on uses it.

    Raises ``BundleTampered``, ``ChallengerOlder``, ``GatesNotPassed``, ``ShadowTooShort``,
    ``SecondApproverNeeded``, ``ModelSeated``; the champion is untouched then.
    """
    await model_of(tx, model_id, shelf)
    shipped = await _shipped_of(tx, model_id, shelf)
    await tx.execute(
        "SELECT people.promote_model($1, $2, $3, $4)", model_id, shipped, _shadow_time(), actor
    )


async def roll_back(
    tx: Tx, kind: ScoreKind, reason: str, actor: UUID | None = None, *,
    canary: bool = False, expected: str | None = None,
) -> list[str]:  # fmt: skip
    """Back to the former champion, at once; ``canary`` ends the canary alone. Who had to go.

    ``expected``: the model that was seen in the seat; where another has it, nobody goes. None for
    whichever has it, unless one was rolled back in the last ten minutes: two who are on call at
    once mean the same one. What it said is taken back by ``rescoring``.

    Asks for no file: what is wrong with those is why one rolls back. Raises ``NothingToRollBack``,
    ``ModelSeated``.
    """
    expected = expected or await _to_go(tx, kind, canary)
    gone: list[str] = await tx.fetchval(
        "SELECT people.roll_back_model($1, $2, $3, $4, $5)", kind, expected, canary, actor, reason
    )
    return gone


async def dismiss(
    tx: Tx, model_id: str, what: Literal["rejected", "withdrawn"], reason: str,
    actor: UUID | None = None,
) -> None:  # fmt: skip
    """Take a challenger out of shadow; what it has passed no longer counts."""
    await tx.execute("SELECT people.dismiss_model($1, $2, $3, $4)", model_id, what, actor, reason)


async def _enter(tx: Tx, folder: Path, shelf: Shelf, actor: UUID | None, *, shipped: bool) -> str:
    try:
        trained = _trained(read_bundle(folder)[1].as_of, tx.now)
        kept = shelf.put(folder)
    except BundleInvalid as error:
        raise _problem(error) from error
    info = kept.info
    await tx.execute(
        _REGISTERED, info.model_id, info.kind, kept.model_sha256, kept.bundle_sha256,
        trained, info.rows.get("fit", 0), info.metrics, shipped, actor,
    )  # fmt: skip
    return info.model_id


async def _shipped_of(tx: Tx, model_id: str, shelf: Shelf) -> str:
    kind = await tx.fetchval("SELECT kind FROM people.models WHERE model_id = $1", model_id)
    return (await adopt_shipped(tx, shelf))[kind]


async def _to_go(tx: Tx, kind: ScoreKind, canary: bool) -> str | None:
    row = await tx.fetchrow(_TO_GO, kind, canary)
    assert row is not None
    if row["model_id"] and row["gone"]:
        raise ModelSeated(
            f"{row['gone']} was rolled back a moment ago; name {row['model_id']} if it is to go too"
        )
    found: str | None = row["model_id"]
    return found


def _trained(as_of: str, now: datetime) -> datetime:
    """The moment a bundle was trained as of: against it, later models have to be newer."""
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        raise BundleInvalid("as_of_invalid", f"{as_of!r} is no moment") from None
    if moment.tzinfo is None:
        raise BundleInvalid("as_of_without_zone", f"{as_of!r} names no time zone")
    if moment > now:
        raise BundleInvalid("as_of_in_future", f"trained as of {as_of}, and it is {now:%Y-%m-%d}")
    return moment


def _shadow_time() -> timedelta:
    return timedelta(days=registry_policy().shadow_days)


def _problem(error: BundleInvalid) -> BundleTampered | BundleUnusable:
    tampered = error.code in ("bundle_tampered", "hash_mismatch")
    return (BundleTampered if tampered else BundleUnusable)(f"{error.code}: {error.detail}")
