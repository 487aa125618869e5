"""What a member is shown of their own scores, and what they say when they contest one."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from handsel.foundation.core.schema import Input, View
from handsel.people.credit.schemas import State
from handsel_ml.contract import FactKind, Role, ScoreKind

AppealState = Literal["open", "upheld", "partly", "denied"]
_Id = Annotated[str, Meta(max_length=60)]


class ReasonView(View):
    """Why a score is not higher, and what would help. `points`: about what it costs."""

    code: str
    text: str
    help: str
    points: int


class ScoreThen(View):
    """A score as it was at a moment."""

    as_of: datetime
    state: State
    points: int | None
    band: str | None
    model_id: str | None


class ReasonChange(View):
    """A reason that weighs more or less than before. Without points it was not among the four."""

    code: str
    text: str
    points_before: int | None
    points_now: int | None


class FactCount(View):
    """How many facts of a kind, in words. `kind` is one of the facts' kinds, or `retracted` for
    those that were taken out."""

    kind: str
    count: int
    text: str


class ChangeView(View):
    """A change of state, points or band. `facts` became known since `before`. Without `before` it
    is the first that was ever made."""

    kind: ScoreKind
    now: ScoreThen
    before: ScoreThen | None
    better: tuple[ReasonChange, ...]
    worse: tuple[ReasonChange, ...]
    facts: tuple[FactCount, ...]


class ScoreView(View):
    """One score; `low` to `high` is how sure it is. Without a history there are no points, and that
    is no judgement. `changed`: how it came to be what it is."""

    kind: ScoreKind
    state: State
    points: int | None
    band: str | None
    low: int | None
    high: int | None
    reasons: tuple[ReasonView, ...]
    model_id: str | None
    changed: ChangeView | None


class CreditView(View):
    """A member's own two scores. Shown to nobody else."""

    as_of: datetime | None
    financial: ScoreView
    social: ScoreView
    next_step: str
    facts_used: int
    facts_url: str = "/v1/credit/facts"
    history_url: str = "/v1/credit/history"
    appeal_url: str = "/v1/credit/appeals"


class HistoryPage(View):
    """Changes of the caller's scores, newest first."""

    items: list[ChangeView]
    next_cursor: str | None


class FactView(View):
    """Something that the scores know about the caller. `amount_minor` is in the reference currency
    of the tier policy. From `retracted_at` on it no longer counts; `appeal_id`: the open appeal
    that contests it."""

    id: str
    kind: FactKind
    text: str
    happened_at: datetime
    known_at: datetime
    order_id: str | None
    role: Role | None
    amount_minor: int
    value: int | None
    retracted_at: datetime | None
    appeal_id: str | None


class FactPage(View):
    """Facts about the caller, newest first."""

    items: list[FactView]
    next_cursor: str | None


class AppealInput(Input):
    """What is wrong, in your own words. Name the facts that are not true (`/v1/credit/facts`), or
    the decision (`decision_id` of a refusal) that you contest."""

    about: ScoreKind
    text: Annotated[str, Meta(min_length=1, max_length=2000)]
    facts: Annotated[list[_Id], Meta(max_length=20)] = msgspec.field(default_factory=list)
    decision_id: _Id | None = None


class ContestedFact(View):
    """A fact of an appeal; from `retracted_at` on it no longer counts."""

    id: str
    kind: FactKind
    retracted_at: datetime | None


class AppealView(View):
    """An appeal. A person decides by `deadline_at`; `answer` is what they say."""

    id: str
    about: ScoreKind
    state: AppealState
    text: str
    decision_id: str | None
    facts: list[ContestedFact]
    filed_at: datetime
    deadline_at: datetime
    decided_at: datetime | None
    answer: str


class AppealPage(View):
    """The caller's appeals, newest first."""

    items: list[AppealView]
    next_cursor: str | None
