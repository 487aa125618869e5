"""Facts as callers give them, snapshots as they are stored. What is shown of them: ``views``."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from handsel_ml.contract import FULL_WEIGHT_BPS, FactKind, Role, ScoreKind

State = Literal["scored", "building_history", "failed"]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing known about one member; when it was known is set where it is stored.

    ``amount_minor`` is in minor units of the reference unit (``trust.service.in_reference``).
    ``source_id`` names the event or row it came from: repeated, it adds nothing. ``weight_bps``:
    how much it counts, in ten-thousandths (a review's weight, a share of the fault).
    """

    member_id: UUID
    kind: FactKind
    source_id: str
    happened_at: datetime
    order_id: UUID | None = None
    counterparty_id: UUID | None = None
    role: Role | None = None
    amount_minor: int = 0
    value: int | None = None
    weight_bps: int = FULL_WEIGHT_BPS


class StoredReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reason as a code: its words are made when somebody reads it, in their language.

    ``unknown``: for lack of history. ``text`` and ``help``: only in snapshots from before words
    were made so; they are shown as they stand.
    """

    code: str
    points: int
    unknown: bool = False
    text: str | None = None
    help: str | None = None


class StoredScore(msgspec.Struct, frozen=True, kw_only=True):
    """One score of a snapshot, as a row. ``pd`` and the model are absent when it failed."""

    kind: ScoreKind
    state: State
    points: int | None = None
    band: str | None = None
    low: int | None = None
    high: int | None = None
    pd: float | None = None
    closed_deals: int = 0
    reasons: tuple[StoredReason, ...] = ()
    model_id: str | None = None
    model_sha256: str | None = None
    vector: tuple[float, ...] | None = None
    failure: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Both scores of a member, made of the ``facts_seen`` facts known before ``as_of``."""

    member_id: UUID
    as_of: datetime
    facts_seen: int
    facts_until: datetime | None
    financial: StoredScore
    social: StoredScore


def stored_score(row: Any) -> StoredScore:
    """A row of ``people.score_snapshots`` as a struct; other columns are left aside."""
    return msgspec.convert(dict(row), StoredScore, strict=False)
