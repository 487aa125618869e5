"""The rules by tables: who has which tier, what it allows, and the way out of a no."""

from datetime import timedelta

import pytest

from handsel.people.members.schemas import Kind
from handsel.people.trust.grades import grade, steps_to
from handsel.people.trust.policy import decide, deposit_waived, may_receive, payout_allowed
from handsel.people.trust.schemas import Party, ScoreSeen
from handsel.people.trust.table import Tier
from tests.people.trust.parties import (
    NOW,
    POLICY,
    T1_KINDS,
    T2_KINDS,
    T4_KINDS,
    party,
    payment,
    scored,
    standing,
)

#: Scores far enough above every floor to stand in for time.
PROVEN: dict[str, ScoreSeen | int] = {
    "financial": scored(800), "social": scored(800), "matured_labels": 1000
}  # fmt: skip
FAILED = ScoreSeen(state="failed")
BUILDING = ScoreSeen(state="building_history")


def nearly_t3(**changes: object) -> Party:
    """Nine orders in thirty days with six people, and two good scores."""
    record = {"settled_orders": 9, "counterparties": 6,
              "first_settled_at": NOW - timedelta(days=30)}  # fmt: skip
    return party(T4_KINDS, days=30, **PROVEN | record | changes)


@pytest.mark.parametrize(
    ("label", "who", "tier"),
    [
        ("nothing verified", party(()), Tier.T0),
        ("contact alone", party(("phone", "email")), Tier.T0),
        ("a check without a contact", party(("id_document", "bank_account")), Tier.T0),
        ("phone and document", party(("phone", "id_document")), Tier.T1),
        ("email and address", party(("email", "address")), Tier.T1),
        ("document and bank, first day", party(T2_KINDS), Tier.T1),
        ("document and bank, day 13", party(T2_KINDS, days=13), Tier.T1),
        ("document and bank, day 14", party(T2_KINDS, days=14), Tier.T2),
        ("document and bank, 3 orders", party(T2_KINDS, settled_orders=3), Tier.T2),
        ("14 days, no bank", party(T1_KINDS, days=14), Tier.T1),
        ("established", party(T2_KINDS, record="T3"), Tier.T3),
        (
            "200 orders with one friend",
            party(T4_KINDS, record="T5", counterparties=1),
            Tier.T2,
        ),
        ("record of T4, no address", party(T2_KINDS, record="T4"), Tier.T3),
        ("trusted", party(T4_KINDS, record="T4"), Tier.T4),
        ("premier", party(T4_KINDS, record="T5"), Tier.T5),
        ("building history", party(T4_KINDS, record="T5", social=BUILDING), Tier.T5),
        ("a score of 950 raises nothing", party(T1_KINDS, social=scored(950)), Tier.T1),
        ("good scores for time", party(T4_KINDS, record="T3", **PROVEN), Tier.T3),
        ("good scores, many people", nearly_t3(), Tier.T3),
        ("good scores, one friend", nearly_t3(settled_orders=90, counterparties=1), Tier.T2),
        ("good scores, 999 labels", nearly_t3(matured_labels=999), Tier.T2),
        ("good scores, doubtful", nearly_t3(social=scored(800, 599)), Tier.T2),
        ("good scores, sure enough", nearly_t3(social=scored(800, 600)), Tier.T3),
        ("one score alone", nearly_t3(social=BUILDING), Tier.T2),
        ("one tier, never two", nearly_t3(counterparties=80), Tier.T3),
        (
            "good scores of a weekend",
            nearly_t3(counterparties=19, first_settled_at=NOW - timedelta(days=29)),
            Tier.T2,
        ),
        ("social 549", party(T4_KINDS, record="T5", social=scored(549)), Tier.T0),
        ("social 499", party(T4_KINDS, record="T5", social=scored(499)), Tier.TX),
        ("social 500", party(T4_KINDS, record="T5", social=scored(500)), Tier.T0),
        ("financial 350", party(T4_KINDS, record="T5", financial=scored(350)), Tier.T1),
        ("mean 700, low 599", party(T4_KINDS, record="T5", social=scored(700, 599)), Tier.T3),
        ("doubt takes no T2 away", party(T2_KINDS, days=14, social=scored(560, 400)), Tier.T2),
        ("doubt gives no T3", party(T4_KINDS, record="T5", social=scored(700, 549)), Tier.T2),
        ("no model", party(T4_KINDS, record="T5", financial=FAILED), Tier.T1),
        ("no model, nothing verified", party((), financial=FAILED, social=FAILED), Tier.T0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tier(label: str, who: Party, tier: Tier) -> None:
    assert grade(POLICY, who, NOW).tier is tier


@pytest.mark.parametrize(
    ("who", "used", "amount", "codes"),
    [
        (party(), (0, 0), 6_000, []),
        (party(), (0, 0), 6_001, ["over_order_limit"]),
        (party(), (9_000, 9_000), 6_000, []),
        (party(), (9_001, 9_001), 6_000, ["over_24h_limit"]),
        (party(), (0, 24_001), 6_000, ["over_30d_limit"]),
        (party(), (15_000, 30_000), 6_001, ["over_order_limit", "over_24h_limit",
                                            "over_30d_limit"]),
        (party(T2_KINDS, days=14), (0, 0), 50_000, []),
        (party(T2_KINDS, days=14), (0, 0), 50_001, ["over_order_limit"]),
        (party(("phone",)), (0, 0), 1, ["payer_not_verified"]),
        (party(T4_KINDS, social=scored(520)), (0, 0), 1, ["payer_restricted"]),
        (party(T2_KINDS, days=99, social=FAILED), (0, 0), 6_001,
         ["over_order_limit", "score_unavailable"]),
    ],
)  # fmt: skip
def test_payer(who: Party, used: tuple[int, int], amount: int, codes: list[str]) -> None:
    decision = decide(POLICY, payment(amount), standing(who, used=used))

    assert [reason.code for reason in decision.reasons] == codes
    assert decision.allowed is (not codes)
    assert bool(decision.path) is bool(codes)


@pytest.mark.parametrize(
    ("payee", "code"),
    [
        (party(("phone",)), "payee_not_verified"),
        (party(T4_KINDS, social=scored(450)), "payee_restricted"),
        (party(T1_KINDS), None),
    ],
)
def test_payee(payee: Party, code: str | None) -> None:
    decision = decide(POLICY, payment(100), standing(party(), payee))

    assert [reason.code for reason in decision.reasons] == ([code] if code else [])


def test_payees_tier_never_shrinks_what_a_trusted_buyer_may_fund() -> None:
    newcomer = party(T1_KINDS)

    decision = decide(POLICY, payment(500_000), standing(party(T4_KINDS, record="T4"), newcomer))

    assert decision.allowed
    assert (decision.payer_tier, decision.payee_tier) == (Tier.T4, Tier.T1)
    assert decision.hold_period == timedelta(days=14)
    assert decision.revoke_window == timedelta(hours=2)


@pytest.mark.parametrize(
    ("received", "amount", "days"),
    [(0, 3_000, 3), (2, 3_000, 3), (3, 3_000, 14), (0, 3_001, 14)],
)
def test_first_small_orders_are_paid_out_sooner(received: int, amount: int, days: int) -> None:
    seller = party(received_orders=received)

    decision = decide(POLICY, payment(amount), standing(party(), seller))

    assert decision.hold_period == timedelta(days=days)


@pytest.mark.parametrize(
    ("who", "amount", "known", "asked"),
    [
        (party(), 1, True, True),
        (party(T2_KINDS, days=14), 6_000, True, False),
        (party(T2_KINDS, days=14), 6_001, True, True),
        (party(T2_KINDS, days=14), 1, False, True),
        (party(T4_KINDS, record="T5"), 15_000, False, False),
        (party(T4_KINDS, record="T5"), 15_001, False, True),
    ],
)
def test_confirmation(who: Party, amount: int, known: bool, asked: bool) -> None:
    decision = decide(POLICY, payment(amount), standing(who, known=known))

    assert decision.confirmation_required is asked


@pytest.mark.parametrize(
    ("amount", "currency", "allowed"),
    [
        (5_217, "GBP", True),  # 59.9955 EUR, rounded up to 60.00
        (5_218, "GBP", False),
        (10_526, "JPY", True),  # no minor unit: 59.9982 EUR
        (10_527, "JPY", False),
    ],
)
def test_other_currencies_count_by_the_fixed_rate(
    amount: int, currency: str, allowed: bool
) -> None:
    decision = decide(POLICY, payment(amount, currency), standing(party()))

    assert decision.allowed is allowed


def test_limits_are_told_in_the_currency_of_the_payment() -> None:
    decision = decide(POLICY, payment(9_000, "GBP"), standing(party(), used=(1_150, 1_150)))

    assert [(r.code, r.limit_minor, r.used_minor) for r in decision.reasons] == [
        ("over_order_limit", 5_217, 0)
    ]
    assert decision.reasons[0].text == "T1 may pay £52.17 in an order; £52.17 are left."


def test_unknown_currency_is_refused() -> None:
    decision = decide(POLICY, payment(100, "XAU"), standing(party()))

    assert [reason.code for reason in decision.reasons] == ["currency_not_supported"]
    assert decision.path[0].code == "use_other_currency"


@pytest.mark.parametrize(
    ("who", "amount", "path"),
    [
        (party(("phone",)), 5_000, [("verify", None)]),
        # Bank alone is quicker than anything else: three orders or 14 days are there already.
        (party(T1_KINDS, days=20), 40_000, [("verify", None)]),
        (party(T2_KINDS, days=4, settled_orders=2), 40_000, [("settle_orders", 1)]),
        (party(T2_KINDS, days=12), 40_000, [("wait_days", 2)]),
        (party(T2_KINDS, days=14, social=scored(549)), 100, [("raise_social_score", 550)]),
        (party(), 2_000_000, [("pay_less", 6_000)]),
    ],
)
def test_shortest_path(who: Party, amount: int, path: list[tuple[str, int | None]]) -> None:
    decision = decide(POLICY, payment(amount), standing(who))

    assert [(step.code, step.count) for step in decision.path] == path


def test_waiting_for_tomorrow_is_shorter_than_climbing() -> None:
    decision = decide(POLICY, payment(6_000), standing(party(), used=(15_000, 15_000)))

    assert [(step.code, step.count) for step in decision.path] == [("wait_for_limit", 1)]


def test_path_to_t2_does_not_ask_for_a_check_twice() -> None:
    steps = steps_to(POLICY, party(("phone",)), NOW, Tier.T2)

    assert [step.one_of for step in steps if step.code == "verify"] == [
        ("id_document",),
        ("bank_account",),
    ]


@pytest.mark.parametrize(
    ("who", "receives", "withdraws"),
    [
        (party(("phone",)), "not_verified", "not_verified"),
        (party(T1_KINDS), None, None),
        (party(T1_KINDS, social=scored(520)), "restricted", None),
        (party(T1_KINDS, social=scored(400)), "restricted", "restricted"),
        (party(T1_KINDS, social=FAILED), None, None),
    ],
)
def test_receiving_and_withdrawing(who: Party, receives: str | None, withdraws: str | None) -> None:
    for verdict, code in (
        (may_receive(POLICY, who, NOW), receives),
        (payout_allowed(POLICY, who, NOW), withdraws),
    ):
        assert verdict.allowed is (code is None)
        assert [reason.code for reason in verdict.reasons] == ([code] if code else [])
        assert bool(verdict.path) is (code is not None)


@pytest.mark.parametrize(
    ("record", "kinds", "waived"),
    [(None, T2_KINDS, False), ("T3", T2_KINDS, False), ("T4", T4_KINDS, True)],
    ids=["verified", "established", "trusted"],
)
def test_trusted_members_borrow_without_a_deposit(
    record: str | None, kinds: tuple[Kind, ...], waived: bool
) -> None:
    borrower = party(kinds, record=record, financial=scored(700), social=scored(700))

    assert deposit_waived(POLICY, borrower, NOW) is waived
