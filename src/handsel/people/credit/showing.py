"""Scores in the reader's language: what is stored are codes, words are made here. Pure."""

from collections.abc import Mapping, Sequence

from handsel.people.credit.schemas import Snapshot, StoredReason, StoredScore
from handsel.people.credit.views import (
    ChangeView,
    CreditView,
    FactCount,
    ReasonChange,
    ReasonView,
    ScoreView,
)
from handsel_ml.contract import FactKind, ScoreKind
from handsel_ml.reasons import (
    BUILDING,
    DEALS_NEEDED,
    MOST_REASONS,
    TEXTS,
    Language,
    fact_count,
    retracted_count,
    said,
)

RETRACTED = "retracted"


def credit_of(
    snapshot: Snapshot | None,
    changed: Mapping[ScoreKind, ChangeView | None],
    language: Language,
) -> CreditView:
    """Both scores of a member; without a snapshot they are building history."""
    financial = snapshot.financial if snapshot else unknown("financial")
    social = snapshot.social if snapshot else unknown("social")
    return CreditView(
        as_of=snapshot.as_of if snapshot else None,
        financial=_shown(financial, changed.get("financial"), language),
        social=_shown(social, changed.get("social"), language),
        next_step=_next_step((financial, social), language),
        facts_used=snapshot.facts_seen if snapshot else 0,
    )


def unknown(kind: ScoreKind) -> StoredScore:
    """The score of somebody who has none: building history."""
    return StoredScore(kind=kind, state="building_history")


def reasons_of(score: StoredScore, language: Language) -> tuple[ReasonView, ...]:
    """A score's reasons in words. A code that is no group any more is left out."""
    missing = max(DEALS_NEEDED - score.closed_deals, 1)
    return tuple(
        _reason(reason, missing, language)
        for reason in score.reasons
        if reason.text is not None or reason.code in TEXTS[language].reasons
    )


def better_and_worse(
    before: Sequence[StoredReason], now: Sequence[StoredReason], language: Language
) -> tuple[tuple[ReasonChange, ...], tuple[ReasonChange, ...]]:
    """Reasons that weigh less and more than before, the largest change first.

    At most four reasons are stored: one that is missing weighs no more than the least of the four.
    Where that leaves it open, nothing is said.
    """
    then, today = _weights(before), _weights(now)
    most_then, most_today = _most_unseen(before), _most_unseen(now)
    better, worse = [], []
    for code in sorted((then.keys() | today.keys()) - {BUILDING}):
        old, new = then.get(code), today.get(code)
        reason = new or old
        assert reason is not None  # it is in one of the two
        if code not in TEXTS[language].reasons:
            continue
        change = ReasonChange(
            code=code,
            text=said(code, 0, reason.unknown, language).text,
            points_before=old.points if old else None,
            points_now=new.points if new else None,
        )
        if (new.points if new else most_today) < (old.points if old else 0):
            better.append(change)
        elif (new.points if new else 0) > (old.points if old else most_then):
            worse.append(change)
    return tuple(sorted(better, key=_size)), tuple(sorted(worse, key=_size))


def counted(counts: Mapping[str, int], language: Language) -> tuple[FactCount, ...]:
    """Kinds of facts and how many, in words, the most frequent first."""
    found = []
    for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if kind == RETRACTED:
            text = retracted_count(n, language)
        else:
            text = fact_count(FactKind(kind), n, language)
        found.append(FactCount(kind=kind, count=n, text=text))
    return tuple(found)


def _shown(score: StoredScore, changed: ChangeView | None, language: Language) -> ScoreView:
    return ScoreView(
        kind=score.kind,
        state=score.state,
        points=score.points,
        band=score.band,
        low=score.low,
        high=score.high,
        reasons=reasons_of(score, language),
        model_id=score.model_id,
        changed=changed,
    )


def _reason(reason: StoredReason, missing: int, language: Language) -> ReasonView:
    if reason.text is not None:
        text, help_text = reason.text, reason.help or ""
    else:
        words = said(reason.code, reason.points, reason.unknown, language, missing)
        text, help_text = words.text, words.help
    return ReasonView(code=reason.code, text=text, help=help_text, points=reason.points)


def _next_step(scores: Sequence[StoredScore], language: Language) -> str:
    """One sentence: what would help most now."""
    steps = TEXTS[language].steps
    if any(score.state == "failed" for score in scores):
        return steps.failed
    if any(score.state == "building_history" for score in scores):
        closed = min(score.closed_deals for score in scores)
        return steps.building.format(missing=max(DEALS_NEEDED - closed, 1))
    reasons = [reason for score in scores for reason in reasons_of(score, language)]
    if not reasons:
        return steps.clear
    return max(reasons, key=lambda reason: reason.points).help


def _weights(reasons: Sequence[StoredReason]) -> dict[str, StoredReason]:
    return {reason.code: reason for reason in reasons}


def _most_unseen(reasons: Sequence[StoredReason]) -> int:
    """What a reason that is not among these weighs at most."""
    return min(reason.points for reason in reasons) if len(reasons) == MOST_REASONS else 0


def _size(change: ReasonChange) -> tuple[int, str]:
    return -abs((change.points_now or 0) - (change.points_before or 0)), change.code
