"""Facts that do not fit their kind are refused, with a code each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from handsel_ml.contract import SCHEMA, Fact, FactKind, Score, check_fact
from handsel_ml.errors import FactInvalid
from handsel_ml.serve import assess
from tests.ml.conftest import NOW

GOOD = Fact(
    member_id="a",
    kind=FactKind.DELIVERED_LATE,
    happened_at=NOW,
    known_at=NOW,
    source_id="event-1",
    order_id="o",
    counterparty_id="b",
    role="seller",
    value=60,
)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"happened_at": datetime(2026, 9, 1)}, "time_without_zone"),  # noqa: DTZ001
        ({"source_id": ""}, "source_missing"),
        ({"amount_minor": -1}, "amount_invalid"),
        ({"amount_minor": 1}, "amount_invalid"),
        ({"known_at": NOW - timedelta(seconds=1)}, "dates_out_of_order"),
        ({"role": "buyer"}, "role_invalid"),
        ({"role": None}, "role_invalid"),
        ({"order_id": None}, "order_missing"),
        ({"counterparty_id": None}, "order_missing"),
        ({"counterparty_id": "a"}, "self_dealing"),
        ({"value": None}, "value_invalid"),
        ({"value": 0}, "value_invalid"),
        ({"kind": FactKind.DELIVERED_ON_TIME}, "value_invalid"),
        ({"kind": FactKind.MEMBER_JOINED, "value": None}, "role_invalid"),
        ({"weight_bps": 9_999}, "weight_invalid"),
        ({"kind": FactKind.REVIEW_RECEIVED, "value": 5, "weight_bps": -1}, "weight_invalid"),
        ({"kind": FactKind.REVIEW_RECEIVED, "value": 5, "weight_bps": 10_001}, "weight_invalid"),
        ({"retracted_at": NOW - timedelta(microseconds=1)}, "dates_out_of_order"),
        ({"retracted_at": datetime(2026, 9, 2)}, "time_without_zone"),  # noqa: DTZ001
    ],
)
def test_a_fact_that_does_not_fit_is_refused(change: dict[str, Any], code: str) -> None:
    check_fact(GOOD)

    with pytest.raises(FactInvalid) as refused:
        check_fact(msgspec.structs.replace(GOOD, **change))

    assert refused.value.code == code


def test_a_part_of_a_fact_and_a_fact_taken_back_are_facts() -> None:
    whole = msgspec.structs.replace(GOOD, kind=FactKind.REVIEW_RECEIVED, value=5)

    for change in ({"weight_bps": 0}, {"weight_bps": 1}, {"retracted_at": NOW}):
        check_fact(msgspec.structs.replace(whole, **change))


def test_every_kind_has_a_schema() -> None:
    assert set(SCHEMA) == set(FactKind)


def test_facts_and_scores_survive_json(models: Any) -> None:
    score = assess([GOOD], NOW + timedelta(days=1), models)["social"]

    assert msgspec.json.decode(msgspec.json.encode(GOOD), type=Fact) == GOOD
    assert msgspec.json.decode(msgspec.json.encode(score), type=Score) == score
