"""The provisional credit, pure: exact bounds, and properties that must never break."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel.money.protection.policy import (
    Asked,
    Credit,
    credit,
    needs_two,
    policy,
    promise,
    ratio_bps,
)
from handsel.people.trust import service as trust

RULES, TABLE = policy().provisional, trust.current_policy()
VERIFIED = frozenset({"email", "id_document"})


def asked(**changes: Any) -> Asked:
    plain = Asked(
        amount_minor=10_000,
        unconfirmed_minor=10_000,
        currency="EUR",
        verified=VERIFIED,
        denied_lately=False,
        fund_minor=1_000_000,
        exposure_minor=10_000,
    )
    return plain._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Credit(8_000, ("share",))),
        ({"amount_minor": 101, "unconfirmed_minor": 101}, Credit(80, ("share",))),
        ({"unconfirmed_minor": 500}, Credit(400, ("share",))),
        ({"amount_minor": 90_000, "unconfirmed_minor": 90_000}, Credit(50_000, ("cap",))),
        ({"fund_minor": 13_000}, Credit(3_000, ("fund",))),
        ({"fund_minor": 10_000}, Credit(0, ("fund",))),
        ({"fund_minor": -5}, Credit(0, ("fund",))),
        ({"fund_minor": 18_000}, Credit(8_000, ("share", "fund"))),
        ({"verified": frozenset({"email"})}, Credit(0, ("not_verified",))),
        ({"verified": frozenset({"id_document"})}, Credit(0, ("not_verified",))),
        ({"denied_lately": True}, Credit(0, ("denied_lately",))),
        ({"unconfirmed_minor": 0}, Credit(0, ("confirmed_by_password",))),
        ({"currency": "XAG"}, Credit(0, ("currency_without_cap",))),
        (
            {"denied_lately": True, "verified": frozenset()},
            Credit(0, ("not_verified", "denied_lately")),
        ),
    ],
)
def test_what_is_lent(changes: dict[str, Any], expected: Credit) -> None:
    assert credit(RULES, TABLE, asked(**changes)) == expected


amounts = st.integers(1, 10**12)


@given(amounts, st.integers(0, 10**12), st.integers(-(10**9), 10**13), st.integers(0, 10**12))
def test_a_credit_keeps_every_bound(amount: int, unconfirmed: int, fund: int, others: int) -> None:
    case = asked(
        amount_minor=amount,
        unconfirmed_minor=unconfirmed,
        fund_minor=fund,
        exposure_minor=amount + others,
    )

    lent = credit(RULES, TABLE, case).amount_minor

    assert 0 <= lent * 10_000 <= min(amount, unconfirmed) * RULES.share_bps
    assert lent <= RULES.cap_minor
    assert lent == 0 or (fund - lent) * 10_000 >= (amount + others) * RULES.least_fund_bps
    assert credit(RULES, TABLE, case._replace(fund_minor=fund + 1)).amount_minor >= lent


def test_two_are_needed_above_a_limit() -> None:
    rule = policy().decision

    answers = [needs_two(rule, TABLE, amount, "EUR") for amount in (1, 20_000, 20_001)]

    assert answers == [False, False, True]
    assert needs_two(rule, TABLE, 1, "XAG")  # what cannot be compared is large


def test_the_ratio() -> None:
    assert ratio_bps(15_000, 10_000) == 15_000
    assert ratio_bps(-1, 10_000) == -1
    assert ratio_bps(5, 0) is None


def test_every_state_has_its_promise() -> None:
    at = datetime(2026, 12, 2, 10, tzinfo=UTC)

    said = [
        promise("investigating", 8000, 0, 0, "EUR", at, extended=False),
        promise("investigating", 0, 0, 0, "EUR", at, extended=False),
        promise("investigating", 0, 0, 0, "EUR", at, extended=True),
        promise("upheld", 8000, 9000, 0, "EUR", at, extended=False),
        promise("denied", 8000, 0, 500, "EUR", at, extended=False),
        promise("withdrawn", 0, 0, 0, "EUR", at, extended=False),
    ]

    assert said == [
        "We decide by 2026-12-02 10:00 UTC. If we do not, €80.00 stay yours.",
        "We decide by 2026-12-02 10:00 UTC, or tell you by then why it takes longer.",
        "We decide by 2026-12-02 10:00 UTC. If we do not, the claim ends and you may file it anew.",
        "Decided for you: €90.00 are yours.",
        "It is over. €5.00 of the credit could not be taken back; your next sales pay it.",
        "It is over; nothing more happens.",
    ]
