"""Pages cut from an order by sphere are the geodesic order; geopy is the oracle."""

from __future__ import annotations

import random
from collections.abc import Sequence

from geopy.distance import geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from handsel_search.engine import Candidate
from handsel_search.geo import sphere_distances_m
from handsel_search.paging import After, distance_page
from handsel_search.query import SearchQuery
from tests.search.conftest import make_document, uid


def candidate(number: int, lat: float, lon: float) -> Candidate:
    doc = make_document(number)
    fields = {name: getattr(doc, name) for name in ("seller_id", "storefront_id", "kind")}
    return Candidate(
        id=uid(number),
        category="x",
        unit="per_day",
        currency="GBP",
        fulfilment=frozenset({"at_mine"}),
        identity_tier=0,
        settled_count=0,
        created_at=doc.created_at,
        lat=lat,
        lon=lon,
        **fields,
    )


class Sphere:
    """Rows in sphere order, off by up to ``slack_m`` as Meilisearch's may be."""

    def __init__(self, rows: list[Candidate], query: SearchQuery, slack_m: float) -> None:
        assert query.point is not None
        rng = random.Random(len(rows))
        exact = sphere_distances_m(
            *query.point, [row.lat or 0 for row in rows], [row.lon or 0 for row in rows]
        )
        keyed = [
            (float(d) + rng.uniform(0, slack_m), row.id, row)
            for d, row in zip(exact, rows, strict=True)
        ]
        self.rows = [(d, row) for d, _, row in sorted(keyed, key=lambda entry: entry[:2])]
        self.slack_m = slack_m
        self.fetched = 0

    async def fetch(
        self, floor_m: float, seen: Sequence[Candidate], size: int
    ) -> Sequence[Candidate]:
        ahead = [row for d, row in self.rows if d >= floor_m]
        batch = ahead[len(seen) : len(seen) + size]
        self.fetched += len(batch)
        return batch


@given(
    centre=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    seed=st.integers(0, 10**6),
    count=st.integers(0, 250),
    radius_m=st.sampled_from([100, 3000, 50_000, 200_000]),
    limit=st.integers(1, 60),
    slack_m=st.sampled_from([0.01, 3.0]),
)
@settings(max_examples=25, deadline=None)
async def test_pages_are_in_geopys_order(
    centre: tuple[float, float],
    seed: int,
    count: int,
    radius_m: int,
    limit: int,
    slack_m: float,
) -> None:
    rng = random.Random(seed)
    rows = []
    for n in range(count):
        away = rng.choice([0.0, radius_m / 2, radius_m * rng.random() * 1.02])
        goal = geodesic(meters=away).destination(centre, rng.choice([0, 90, rng.uniform(0, 360)]))
        rows.append(candidate(n, goal.latitude, (goal.longitude + 180) % 360 - 180))
    rng.shuffle(rows)
    query = SearchQuery(lat=centre[0], lon=centre[1], radius_m=radius_m, sort="distance")
    source = Sphere(rows, query, slack_m)

    seen: list[Candidate] = []
    after: After | None = None
    more = True
    while more:
        page, more = await distance_page(query, after, limit, source.fetch, slack_m)
        assert len(page) == limit or not more
        seen += page
        assert len(seen) <= count
        after = (page[-1].distance_m, page[-1].id) if page else None

    oracle = {row.id: geodesic(centre, (row.lat, row.lon)).m for row in rows}
    inside = {row_id for row_id, away in oracle.items() if away <= radius_m - 1e-6}
    rim = {row_id for row_id, away in oracle.items() if abs(away - radius_m) <= 1e-6}
    found = [row.id for row in seen]
    assert len(found) == len(set(found))
    assert inside <= set(found) <= inside | rim
    keys = [(row.distance_m, row.id) for row in seen]
    assert keys == sorted(keys)
    for row in seen:
        assert abs((row.distance_m or 0.0) - oracle[row.id]) <= 1e-6


async def test_a_ring_where_sphere_and_ellipsoid_disagree_is_paged_exactly() -> None:
    rng = random.Random(11)
    centre = (5.0, 20.0)  # near the equator the two differ most between north and east
    goals = [
        geodesic(meters=10_000 * rng.uniform(0.997, 1.003)).destination(centre, rng.uniform(0, 360))
        for _ in range(800)
    ]
    rows = [candidate(n, goal.latitude, goal.longitude) for n, goal in enumerate(goals)]
    query = SearchQuery(lat=centre[0], lon=centre[1], radius_m=50_000, sort="distance")
    source = Sphere(rows, query, 0.01)

    seen: list[str] = []
    after: After | None = None
    more = True
    while more:
        page, more = await distance_page(query, after, 20, source.fetch, 0.01)
        seen += [row.id for row in page]
        assert len(seen) <= len(rows)
        after = (page[-1].distance_m, page[-1].id)

    oracle = sorted(rows, key=lambda row: (geodesic(centre, (row.lat, row.lon)).m, row.id))
    assert seen == [row.id for row in oracle]


async def test_a_page_reads_little_more_than_it_shows() -> None:
    rng = random.Random(1)
    rows = [candidate(n, 50 + rng.gauss(0, 0.05), 8 + rng.gauss(0, 0.05)) for n in range(3000)]
    query = SearchQuery(lat=50.0, lon=8.0, radius_m=50_000, sort="distance")
    source = Sphere(rows, query, 0.01)
    page, more = await distance_page(query, None, 50, source.fetch, 0.01)
    last = (page[-1].distance_m, page[-1].id)
    await distance_page(query, last, 50, source.fetch, 0.01)

    assert more
    assert source.fetched <= 400
