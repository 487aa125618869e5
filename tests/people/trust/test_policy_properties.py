"""What must hold for any member and any payment."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from handsel.people.trust.policy import decide
from handsel.people.trust.schemas import Party, ScoreSeen, Standing, Step
from tests.people.trust.parties import NOW, POLICY, party, payment, scored, standing

KINDS = ("email", "phone", "id_document", "bank_account", "address")
AMOUNTS = st.integers(1, 4_000_000)


@st.composite
def scores(draw: st.DrawFn) -> ScoreSeen | None:
    state = draw(st.sampled_from(["scored", "scored", "building_history", "failed", "none"]))
    if state == "none":
        return None
    if state != "scored":
        return ScoreSeen(state=state)  # type: ignore[arg-type]
    points = draw(st.integers(350, 950))
    return scored(points, draw(st.integers(350, points)))


@st.composite
def parties(draw: st.DrawFn) -> Party:
    joined = draw(st.integers(0, 800))
    since = draw(st.none() | st.integers(0, joined))
    settled = 0 if since is None else draw(st.integers(1, 300))
    return party(
        tuple(draw(st.sets(st.sampled_from(KINDS)))),
        days=joined,
        settled_orders=settled,
        counterparties=draw(st.integers(min(settled, 1), settled)),
        first_settled_at=None if since is None else NOW - timedelta(days=since),
        financial=draw(scores()),
        social=draw(scores()),
    )


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    used_30d = draw(st.sampled_from([0, 0, 14_000, 29_000, 140_000, 9_000_000]))
    used_24h = draw(st.integers(0, used_30d))
    return standing(draw(parties()), party(), used=(used_24h, used_30d), known=draw(st.booleans()))


def better_score(draw: st.DrawFn, score: ScoreSeen | None) -> ScoreSeen | None:
    if score is None or score.points is None or score.low is None:
        return score
    points = draw(st.integers(score.points, 950))
    return scored(points, draw(st.integers(score.low, points)))


@st.composite
def better(draw: st.DrawFn, who: Party) -> Party:
    """The same member with more of something, or the same."""
    orders = draw(st.integers(0, 60))
    first = who.first_settled_at or (NOW if orders else None)
    return msgspec.structs.replace(
        who,
        verified=tuple({*who.verified, *draw(st.sets(st.sampled_from(KINDS)))}),
        settled_orders=who.settled_orders + orders,
        counterparties=who.counterparties + draw(st.integers(0, orders)),
        first_settled_at=first and first - timedelta(days=draw(st.integers(0, 200))),
        financial=better_score(draw, who.financial),
        social=better_score(draw, who.social),
    )


def climb(who: Party, steps: tuple[Step, ...]) -> Party:
    """Do what the steps say, waiting last."""
    for step in steps:
        if step.code == "verify":
            who = msgspec.structs.replace(who, verified=(*who.verified, step.one_of[-1]))
        elif step.code == "settle_orders":
            total = who.settled_orders + (step.count or 0)
            who = msgspec.structs.replace(
                who, settled_orders=total, first_settled_at=who.first_settled_at or NOW
            )
        elif step.code == "deal_with_others":
            who = msgspec.structs.replace(
                who, counterparties=who.counterparties + (step.count or 0)
            )
        elif step.code == "wait_for_score":
            who = msgspec.structs.replace(who, financial=None, social=None)
        elif step.code == "raise_financial_score":
            who = msgspec.structs.replace(who, financial=scored(step.count or 0))
        elif step.code == "raise_social_score":
            who = msgspec.structs.replace(who, social=scored(step.count or 0))
        else:
            assert step.code in {"wait_days", "wait_for_limit", "pay_less"}
    return who


@given(standings(), AMOUNTS, st.data())
def test_more_standing_never_allows_less(seen: Standing, amount: int, data: st.DataObject) -> None:
    raised = msgspec.structs.replace(seen, payer=data.draw(better(seen.payer)))

    before = decide(POLICY, payment(amount), seen)
    after = decide(POLICY, payment(amount), raised)

    assert after.payer_tier >= before.payer_tier
    assert after.allowed or not before.allowed


@given(standings(), AMOUNTS, AMOUNTS, st.sampled_from(["EUR", "GBP", "HKD", "JPY", "HUF"]))
def test_larger_amount_is_never_easier(seen: Standing, one: int, other: int, currency: str) -> None:
    smaller, larger = sorted((one, other))

    low = decide(POLICY, payment(smaller, currency), seen)
    high = decide(POLICY, payment(larger, currency), seen)

    assert low.allowed or not high.allowed
    assert high.confirmation_required or not low.confirmation_required


@given(standings(), AMOUNTS, st.sampled_from(["EUR", "GBP", "JPY"]))
def test_path_of_a_refusal_leads_to_a_yes(seen: Standing, amount: int, currency: str) -> None:
    refused = decide(POLICY, payment(amount, currency), seen)
    if refused.allowed:
        assert refused.path == ()
        return
    days = {s.code: s.count or 0 for s in refused.path if s.code.startswith("wait")}
    least = [s.count or 0 for s in refused.path if s.code == "pay_less"]
    waited = max(days.get("wait_days", 0), days.get("wait_for_limit", 0))
    done = msgspec.structs.replace(
        seen,
        payer=climb(seen.payer, refused.path),
        now=NOW + timedelta(days=waited),
        used_24h_minor=0 if waited >= 1 else seen.used_24h_minor,
        used_30d_minor=0 if waited >= 30 else seen.used_30d_minor,
    )

    again = decide(POLICY, payment(least[0] if least else amount, currency), done)

    assert again.allowed, (refused.path, again.reasons)


@given(standings(), AMOUNTS)
def test_decision_can_be_made_again_from_its_log(seen: Standing, amount: int) -> None:
    asked = payment(amount)
    first = decide(POLICY, asked, seen)

    kept = msgspec.json.decode(msgspec.json.encode(first.standing), type=Standing)

    assert decide(POLICY, asked, kept) == first
