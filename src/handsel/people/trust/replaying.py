"""Making a decision again from what was kept of it: both parties' snapshots out of their facts, and
the answer out of the policy's own text.

Verification, track record, sums and the lock are taken as the decision's log has them: they are
its inputs, and the log is append-only.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from handsel.foundation.core.errors import NotFound
from handsel.people.credit.replaying import Difference, Replayer, differing
from handsel.people.trust import decisions, policy
from handsel.people.trust.schemas import Party, Payment, ScoreSeen, Standing
from handsel.people.trust.table import PolicyInvalid, PolicyTable, parse

_LAST = "SELECT id FROM people.decisions ORDER BY id DESC LIMIT $1"
_DECISION = "SELECT * FROM people.decisions WHERE id = $1"
_POLICY = "SELECT content FROM people.policies WHERE version = $1"
_SNAPSHOT = "SELECT * FROM people.score_snapshots WHERE id = $1"
# Ids of snapshots and decisions carry the time at which they were made. Business time would not do:
# it is that of a transaction's beginning, and a gate sees what ended after its own had begun.
_NEWEST = """
SELECT kind, id FROM people.score_snapshots
 WHERE member_id = $1 AND as_of = (
       SELECT max(as_of) FROM people.score_snapshots WHERE member_id = $1 AND id < $2)
"""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A decision made again. ``compared`` says what was looked at, ``differences`` what changed."""

    decision_id: UUID
    decided_at: datetime
    allowed: bool
    compared: tuple[str, ...]
    differences: tuple[Difference, ...]


async def last(replayer: Replayer, count: int) -> list[UUID]:
    """The newest decisions, the newest first."""
    return [row["id"] for row in await replayer.reader.fetch(_LAST, count)]


async def replay(replayer: Replayer, decision_id: UUID) -> Replay:
    """Make a decision again and compare everything. Raises ``NotFound``."""
    row = await replayer.reader.fetchrow(_DECISION, decision_id)
    if row is None:
        raise NotFound("there is no such decision")
    standing = msgspec.convert(row["inputs"], Standing)
    compared: list[str] = []
    differences: list[Difference] = []
    for side, party in (("payer", standing.payer), ("payee", standing.payee)):
        found, differing = await _scores(replayer, side, party, decision_id)
        compared += found
        differences += differing
    table, wrong = await _policy(replayer, row["policy_version"])
    differences += wrong
    if table is not None:
        differences += _answer(row, standing, table)
        compared.append(f"tiers, reasons, path and terms by policy {table.version}")
    return Replay(
        decision_id=decision_id,
        decided_at=row["decided_at"],
        allowed=row["allowed"],
        compared=tuple(compared),
        differences=tuple(differences),
    )


async def _scores(
    replayer: Replayer, side: str, party: Party, decision_id: UUID
) -> tuple[list[str], list[Difference]]:
    """The snapshots that one side was judged by: the newest, as the gate saw them, made again.

    One that was being stored in the very milliseconds of the decision counts as seen: the gate may
    not have, and that is told as a difference.
    """
    compared: list[str] = []
    differences: list[Difference] = []
    moments: set[datetime] = set()
    rows = await replayer.reader.fetch(_NEWEST, party.member_id, decision_id)
    newest = {row["kind"]: row["id"] for row in rows}
    for kind, seen in (("financial", party.financial), ("social", party.social)):
        seen_id = seen and seen.snapshot_id
        differences += differing(f"{side}.{kind}.newest", seen_id, newest.get(kind))
        if seen is None:
            compared.append(f"{side}.{kind}: no score yet")
            continue
        row = await replayer.reader.fetchrow(_SNAPSHOT, seen.snapshot_id)
        differences += _seen(f"{side}.{kind}", kind, party, seen, row)
        if row is not None:
            moments.add(row["as_of"])
    for moment in sorted(moments):
        made = await replayer.snapshot(side, party.member_id, moment)
        compared += made.compared
        differences += made.differences
    return compared, differences


def _seen(where: str, kind: str, party: Party, seen: ScoreSeen, row: Any) -> Iterator[Difference]:
    """What the gate saw is what the snapshot says."""
    if row is None:
        yield from differing(f"{where}.snapshot", seen.snapshot_id, None)
        return
    yield from differing(
        f"{where}.snapshot", (party.member_id, kind), (row["member_id"], row["kind"])
    )
    for field in ("state", "points", "low", "band", "model_id"):
        yield from differing(f"{where}.seen.{field}", getattr(seen, field), row[field])


async def _policy(replayer: Replayer, version: str) -> tuple[PolicyTable | None, list[Difference]]:
    """The policy of that version, if its text still has the hash that the version names."""
    content: bytes | None = await replayer.reader.fetchval(_POLICY, version)
    if content is None:
        return None, list(differing("policy", version, "its text was not kept"))
    try:
        table = parse(content)
    except PolicyInvalid as error:
        return None, list(differing("policy", version, error))
    return table, list(differing("policy", version, table.version))


def _answer(row: Any, standing: Standing, table: PolicyTable) -> Iterator[Difference]:
    """The gate's answer to the same payment."""
    payment = Payment(
        payer_id=row["payer_id"],
        payee_id=row["payee_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        terms_hash=row["terms_hash"],
        reference_id=row["reference_id"],
    )
    found = policy.decide(table, payment, standing)
    parties = (standing.decision_id, standing.payer.member_id, standing.payee.member_id)
    yield from differing("parties", (row["id"], row["payer_id"], row["payee_id"]), parties)
    yield from differing("allowed", row["allowed"], found.allowed)
    yield from differing("payer_tier", row["payer_tier"], found.payer_tier.name)
    yield from differing("payee_tier", row["payee_tier"], found.payee_tier.name)
    yield from differing("model_ids", row["model_ids"], decisions.model_ids(found))
    made = msgspec.json.decode(msgspec.json.encode(decisions.outcome(found)))
    for field in sorted(set(row["outcome"]) | set(made)):
        yield from differing(f"outcome.{field}", row["outcome"].get(field), made.get(field))
