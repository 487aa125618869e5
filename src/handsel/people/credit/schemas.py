"""Facts as callers give them, snapshots as they are stored, and what their member is shown."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from handsel.foundation.core.schema import View
from handsel_ml.contract import FactKind, Reason, Role, ScoreKind

State = Literal["scored", "building_history", "failed"]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing known about one member; when it was known is set where it is stored.

    ``amount_minor`` is in minor units of the reference unit (``trust.service.in_reference``).
    ``source_id`` names the event or row it came from: repeated, it adds nothing.
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
    reasons: tuple[Reason, ...] = ()
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


class ReasonView(View):
    """Why a score is not higher, and what would help."""

    code: str
    text: str
    help: str
    points: int


class ScoreView(View):
    """One score. Without a history there are no points, and that is no judgement."""

    kind: ScoreKind
    state: State
    points: int | None
    band: str | None
    low: int | None
    high: int | None
    reasons: tuple[ReasonView, ...]


class CreditView(View):
    """A member's own two scores. Shown to nobody else."""

    as_of: datetime | None
    financial: ScoreView
    social: ScoreView
    next_step: str


def stored_score(row: Any) -> StoredScore:
    """A row of ``people.score_snapshots`` as a struct; other columns are left aside."""
    return msgspec.convert(dict(row), StoredScore, strict=False)
