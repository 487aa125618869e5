"""The order "best": its policy as invariants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel_search.engine import Candidate
from handsel_search.errors import InvalidSearch
from handsel_search.query import SearchQuery
from handsel_search.ranking import Neutral, RankedHit, Weights, best_page, rank_best
from tests.search.conftest import make_document, quick, uid

HERE = SearchQuery(text="x", lat=55.95, lon=-3.19, radius_m=6000)


def make(number: int, **fields: Any) -> Candidate:
    doc = make_document(1)
    values: dict[str, Any] = {
        name: getattr(doc, name)
        for name in Candidate.__struct_fields__
        if name not in ("id", "text_score", "distance_m")
    }
    known = {"settled_count": 5, "text_score": 0.8, "distance_m": 900.0, "conduct_band": 2}
    return Candidate(id=uid(number), **{**values, **known, **fields})


candidates = st.lists(
    st.fixed_dictionaries(
        {
            "text_score": st.floats(0, 1),
            "distance_m": st.none() | st.floats(0, 20_000),
            "conduct_band": st.none() | st.integers(0, 4),
            "identity_tier": st.integers(0, 5),
            "price_minor": st.none() | st.integers(0, 10_000),
            "response_rate": st.none() | st.floats(0, 1),
            "settled_count": st.integers(0, 2),
        }
    ),
    min_size=2,
    max_size=25,
).map(lambda rows: [make(n, **row) for n, row in enumerate(rows, 1)])


def typical(rows: list[Candidate]) -> dict[str, int]:
    return {row.id: 1000 for row in rows[::2]}


def place(ranked: list[RankedHit], row_id: str) -> int:
    return [hit.candidate.id for hit in ranked].index(row_id)


def test_weights_sum_to_one_and_no_financial_input_exists() -> None:
    assert sum(msgspec.structs.astuple(Weights())) == pytest.approx(1.0)
    fields = set(Candidate.__struct_fields__) | set(Weights.__struct_fields__)
    assert not {name for name in fields if "score" in name} - {"text_score"}
    assert not {"money_tier", "credit", "limit_minor", "financial"} & fields


@quick
@given(candidates)
def test_shares_explain_the_whole_score(rows: list[Candidate]) -> None:
    for hit in rank_best(HERE, rows, typical(rows)):
        assert 0 <= hit.score <= 1 + 1e-9
        assert sum(reason.share for reason in hit.why) == hit.score
        assert [reason.code for reason in hit.why][:6] == [
            "text",
            "distance_m",
            "conduct_band",
            "identity_tier",
            "price_vs_typical",
            "response_rate",
        ]


@quick
@given(candidates, st.integers(0, 24), st.data())
def test_a_better_factor_never_costs_a_place(
    rows: list[Candidate], which: int, data: st.DataObject
) -> None:
    row = rows[which % len(rows)]
    better: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"text_score": min(1.0, (row.text_score or 0) + 0.2)},
                {"distance_m": None if row.distance_m is None else row.distance_m / 2},
                {"conduct_band": None if row.conduct_band is None else 4},
                {"identity_tier": 5},
                {"price_minor": 1000 if row.price_minor is not None else None},
                {"response_rate": None if row.response_rate is None else 1.0},
            ]
        )
    )
    changed = [msgspec.structs.replace(r, **better) if r is row else r for r in rows]

    before = rank_best(HERE, rows, typical(rows))
    after = rank_best(HERE, changed, typical(rows))

    assert place(after, row.id) <= place(before, row.id)


@quick
@given(candidates)
def test_nothing_lifts_an_unrelated_text_above_an_exact_one(rows: list[Candidate]) -> None:
    exact = make(
        100,
        text_score=1.0,
        distance_m=200_000.0,
        conduct_band=0,
        identity_tier=0,
        price_minor=10**9,
        response_rate=0.0,
    )
    unrelated = [msgspec.structs.replace(row, text_score=(row.text_score or 0) / 4) for row in rows]
    ranked = rank_best(HERE, [*unrelated, exact], {**typical(rows), exact.id: 1000})

    assert ranked[0].candidate.id == exact.id


def test_unknown_counts_as_neutral_not_as_worst() -> None:
    unknown = make(1, conduct_band=None, response_rate=None, distance_m=None)
    worst = make(2, conduct_band=0, response_rate=0.0, distance_m=60_000.0)
    best = make(3, conduct_band=4, response_rate=1.0, distance_m=0.0)
    order = [hit.candidate.id for hit in rank_best(HERE, [unknown, worst, best])]

    assert order == [best.id, unknown.id, worst.id]
    generous = rank_best(HERE, [unknown, best], neutral=Neutral(conduct=1, response=1, distance=1))
    assert generous[0].score == generous[1].score


def test_one_sellers_record_does_not_move_another() -> None:
    a, b = make(1, conduct_band=None, response_rate=None), make(2, conduct_band=1)
    before = rank_best(HERE, [a, b])
    after = rank_best(HERE, [a, msgspec.structs.replace(b, conduct_band=4, response_rate=1.0)])

    def score(ranked: list[RankedHit]) -> float:
        return next(hit.score for hit in ranked if hit.candidate.id == a.id)

    assert score(before) == score(after)


@pytest.mark.parametrize(("price", "other"), [(1000, 500), (1000, 2000), (600, 300), (0, None)])
def test_the_usual_price_is_preferred_to_a_strange_one(price: int, other: int | None) -> None:
    rows = [make(1, price_minor=price), make(2, price_minor=other)]
    first = rank_best(HERE, rows, {uid(1): 1000, uid(2): 1000})[0].candidate.id
    assert first == (uid(2) if price == 0 else uid(1))
    unguided = rank_best(HERE, rows)
    assert unguided[0].score == unguided[1].score


def test_ties_go_by_id() -> None:
    rows = [make(n) for n in (3, 1, 2)]
    assert [h.candidate.id for h in rank_best(HERE, rows)] == [uid(1), uid(2), uid(3)]


@pytest.mark.parametrize(
    ("case", "newcomers", "tenth"),
    [
        ("none among them", {}, 10),
        ("already near the top", {3: 0.8, 20: 0.8}, 10),
        ("the best of the others is lifted", {15: 0.8, 20: 0.7}, 15),
        ("an unfitting text is not lifted", {20: 0.3}, 10),
    ],
)
def test_one_of_the_top_ten_places_is_for_newcomers(
    case: str, newcomers: dict[int, float], tenth: int
) -> None:
    rows = [make(n, distance_m=100.0 * n) for n in range(1, 31)]
    rows = [
        make(n, settled_count=0, text_score=newcomers[n], distance_m=100.0 * n)
        if n in newcomers
        else row
        for n, row in enumerate(rows, 1)
    ]
    ranked = rank_best(HERE, rows)

    assert ranked[9].candidate.id == uid(tenth), case
    assert sorted(hit.candidate.id for hit in ranked) == [uid(n) for n in range(1, 31)]
    lifted = [hit for hit in ranked if hit.why[-1].code == "newcomer_place"]
    assert len(lifted) == (tenth != 10)
    assert all(sum(reason.share for reason in hit.why) == hit.score for hit in lifted)


def test_pages_cut_the_ranking_without_gap_or_overlap() -> None:
    ranked = rank_best(HERE, [make(n) for n in range(1, 26)])
    query, seen = msgspec.structs.replace(HERE, page_size=10), []
    for size in (10, 10, 5):
        page, cursor = best_page(query, ranked)
        assert len(page) == size
        seen += page
        query = msgspec.structs.replace(query, cursor=cursor)

    assert seen == ranked
    assert cursor is None
    other = msgspec.structs.replace(HERE, text="y", cursor=best_page(HERE, ranked)[1])
    with pytest.raises(InvalidSearch, match="cursor_mismatch"):
        best_page(other, ranked)


def test_without_candidates_there_is_an_empty_page() -> None:
    assert best_page(SearchQuery(), rank_best(SearchQuery(), [])) == ((), None)
