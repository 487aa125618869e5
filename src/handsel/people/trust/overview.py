"""What people are shown: their own tier, the trust card of others, the public table. Pure."""

import asyncpg
import msgspec

from handsel.foundation.core.money import Money
from handsel.people.trust.grades import Grades, grade, steps_to
from handsel.people.trust.policy import Limit, limits_of
from handsel.people.trust.schemas import (
    CheckView,
    Decision,
    LimitView,
    NextTierView,
    PartName,
    PartView,
    Party,
    PolicyView,
    ScoreSeen,
    Standing,
    TierView,
    TrustCard,
    TrustView,
)
from handsel.people.trust.table import PolicyTable, Record, Tier

_PARTS: dict[PartName, str] = {
    "verification": "what you have verified",
    "track_record": "your settled orders, the people you dealt with and the time",
    "financial_score": "your financial score",
    "social_score": "your social score",
}


def trust_of(table: PolicyTable, standing: Standing) -> TrustView:
    """A member's own page; ``standing`` has them on both sides."""
    grades = grade(table, standing.payer, standing.now)
    tier = grades.tier
    rule = table.rule(tier)
    limits = limits_of(table, tier, standing.used_24h_minor, standing.used_30d_minor)
    return TrustView(
        tier=tier.name,
        title=rule.title,
        why=_why(grades, standing.payer),
        limits=tuple(_limit(table, limit) for limit in limits),
        warnings=tuple(text for limit in limits if (text := _warning(table, limit))),
        hold_period=rule.payments.hold_period if rule.payments else None,
        revoke_window=rule.payments.revoke_window if rule.payments else None,
        next_tier=_next(table, standing, tier),
        policy_version=table.version,
    )


def check_of(decision: Decision) -> CheckView:
    """A decision as its payer may see it: nothing of the payee's tier."""
    return CheckView(
        allowed=decision.allowed,
        reasons=decision.reasons,
        path=decision.path,
        confirmation_required=decision.confirmation_required,
        revoke_window=decision.revoke_window,
        payer_tier=decision.payer_tier.name,
        policy_version=decision.policy_version,
    )


def card_of(table: PolicyTable, row: asyncpg.Record) -> TrustCard:
    """A trust card out of a row of ``people.public_standings``."""
    bare = Party(
        member_id=row["member_id"], verified=tuple(row["verified"]), joined_at=row["joined_at"]
    )
    reached = grade(table, bare, row["joined_at"]).verification
    asked = [tier for tier in Tier if tier <= reached and table.rule(tier).verified]
    sold = row["sold_orders"]
    return TrustCard(
        identity_tier=max(asked, default=Tier.T0).name,
        verified=bare.verified,
        settled_orders=row["settled_orders"],
        distinct_customers=row["customers"],
        returning_customers=row["returning_customers"],
        on_time_percent=row["on_time_orders"] * 100 // sold if sold else None,
        conduct_band=row["conduct_band"],
        member_since=row["joined_at"],
    )


def policy_of(table: PolicyTable) -> PolicyView:
    """The public table."""
    return PolicyView(
        version=table.version,
        reference_currency=table.reference_currency,
        rates={code: format(rate, "f") for code, rate in sorted(table.rates.items())},
        tiers=tuple(_tier(table, tier) for tier in Tier),
    )


def _why(grades: Grades, party: Party) -> tuple[PartView, ...]:
    return (
        _part("verification", grades.verification),
        _part("track_record", grades.track_record),
        _score_part("financial_score", grades.financial_score, party.financial),
        _score_part("social_score", grades.social_score, party.social),
    )


def _part(part: PartName, tier: Tier) -> PartView:
    return PartView(part=part, allows=tier.name, text=f"By {_PARTS[part]}: {tier.name}.")


def _score_part(part: PartName, tier: Tier, score: ScoreSeen | None) -> PartView:
    if score is not None and score.state == "scored":
        return _part(part, tier)
    text = f"You are building history: {_PARTS[part]} holds nothing back."
    if score is not None and score.state == "failed":
        text = f"{_PARTS[part].capitalize()} cannot be computed at the moment: T1 at most."
    return PartView(part=part, allows=tier.name, text=text)


def _limit(table: PolicyTable, limit: Limit) -> LimitView:
    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=table.reference_currency)

    return LimitView(
        code=limit.code,
        limit=money(limit.limit_minor),
        used=money(limit.used_minor),
        remaining=money(limit.remaining_minor),
    )


def _warning(table: PolicyTable, limit: Limit) -> str | None:
    percent = limit.used_minor * 100 // limit.limit_minor
    if percent < table.warn_at_percent:
        return None
    span = "24 hours" if limit.code == "per_24h" else "30 days"
    left = Money(amount_minor=limit.remaining_minor, currency=table.reference_currency)
    return f"You have used {percent} % of what you may pay in {span}; {left} are left."


def _next(table: PolicyTable, standing: Standing, tier: Tier) -> NextTierView | None:
    if tier == max(Tier):
        return None
    higher = Tier(tier + 1)
    steps = steps_to(table, standing.payer, standing.now, higher)
    return NextTierView(tier=higher.name, title=table.rule(higher).title, steps=steps)


def _tier(table: PolicyTable, tier: Tier) -> TierView:
    rule = table.rule(tier)
    payments = rule.payments

    def money(name: str) -> Money | None:
        if payments is None:
            return None
        return Money(amount_minor=getattr(payments, name), currency=table.reference_currency)

    return TierView(
        tier=tier.name,
        title=rule.title,
        verified=rule.verified,
        financial_floor=rule.financial_floor,
        social_floor=rule.social_floor,
        record_any=_record(rule.record_any),
        record_all=_record(rule.record_all),
        per_order=money("per_order_minor"),
        per_24h=money("per_24h_minor"),
        per_30d=money("per_30d_minor"),
        hold_period=payments.hold_period if payments else None,
        revoke_window=payments.revoke_window if payments else None,
        confirm_above=money("confirm_above_minor"),
        confirm_new_payee_above=money("confirm_new_payee_above_minor"),
        deposit_free=payments is not None and payments.deposit_free,
    )


def _record(record: Record | None) -> dict[str, int]:
    needs: dict[str, int] = msgspec.structs.asdict(record) if record else {}
    return {name: need for name, need in needs.items() if need}
