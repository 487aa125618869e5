"""Exact pages from engines that only order approximately.

Engines order by a sphere; a page must be ordered by the ellipsoid. For every row
``SPHERE_RATIO_MIN <= sphere / geodesic <= SPHERE_RATIO_MAX`` (proven in geo.py), so once rows have
been fetched in sphere order up to S metres, no row still missing can be nearer than
S / SPHERE_RATIO_MAX: everything nearer than that is final. A page that continues after geodesic
distance D starts fetching at D x SPHERE_RATIO_MIN. Both ends over-fetch by about 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from handsel_search.engine import Candidate, sort_key, within
from handsel_search.geo import SPHERE_RATIO_MAX, SPHERE_RATIO_MIN, sphere_distances_m
from handsel_search.query import SearchQuery

__all__ = ("After", "RowSource", "distance_page", "key_page", "sorted_page")

After = tuple[float | int | None, str]
"""(key, id) of the last hit of the page before."""

FetchSphere = Callable[[float, Sequence[Candidate], int], Awaitable[Sequence[Candidate]]]
FetchKey = Callable[[After | None, int], Awaitable[Sequence[Candidate]]]

BATCH_MIN: Final = 100
BATCH_MAX: Final = 4000


async def distance_page(
    query: SearchQuery,
    after: After | None,
    limit: int,
    fetch: FetchSphere,
    slack_m: float,
) -> tuple[list[Candidate], bool]:
    """The next ``limit`` hits within the radius by (geodesic distance, id); whether more follow.

    ``fetch(from_m, seen, size)`` gives up to ``size`` further rows in sphere order whose sphere
    distance (earthdistance's sphere) is at least ``from_m`` (or a little less), after the rows
    ``seen``; fewer than ``size`` rows mean the end, rows beyond the radius do no harm.
    ``slack_m`` is how far the engine's order may be off.
    """
    if query.point is None:
        raise ValueError("a distance page needs a point")
    floor = 0.0 if after is None else max(0.0, float(after[0] or 0.0) * SPHERE_RATIO_MIN - slack_m)
    seen: list[Candidate] = []
    found: list[tuple[float, str, Candidate]] = []
    farthest = 0.0
    size = max(BATCH_MIN, 3 * limit)
    while True:
        batch = await fetch(floor, seen, size)
        seen += batch
        found += [
            (row.distance_m, row.id, row)
            for row in within(query, batch)
            if row.distance_m is not None and (after is None or (row.distance_m, row.id) > after)
        ]
        horizon = math.inf
        if len(batch) == size:
            farthest = max(farthest, _farthest(query.point, batch))
            horizon = (farthest - slack_m) / SPHERE_RATIO_MAX
        final = sorted(entry[:2] for entry in found if entry[0] < horizon)
        if horizon > (query.radius_m or math.inf) or horizon == math.inf or len(final) > limit:
            rows = {row.id: row for _, _, row in found}
            return [rows[row_id] for _, row_id in final[:limit]], len(final) > limit
        size = min(2 * size, BATCH_MAX)


def _farthest(point: tuple[float, float], rows: Sequence[Candidate]) -> float:
    lats = [row.lat for row in rows if row.lat is not None]
    lons = [row.lon for row in rows if row.lon is not None]
    return float(sphere_distances_m(*point, lats, lons).max(initial=0.0))


async def key_page(
    after: After | None,
    limit: int,
    fetch: FetchKey,
    key: Callable[[Candidate], float | int | None],
    keep: Callable[[Sequence[Candidate]], list[Candidate]],
    batch_max: int = BATCH_MAX,
) -> tuple[list[Candidate], bool]:
    """The next ``limit`` kept hits in the engine's own (key, id) order; whether more follow.

    ``fetch(after, size)`` gives rows strictly after a position, fewer than ``size`` only at the
    end; ``keep`` drops the rows of the prefilter's rim; ``size`` never exceeds ``batch_max``.
    """
    kept: list[Candidate] = []
    size = max(limit + 1, math.ceil(1.1 * limit) + 8)
    while True:
        batch = await fetch(after, size)
        kept += keep(batch)
        if len(kept) > limit or len(batch) < size:
            return kept[:limit], len(kept) > limit
        after = (key(batch[-1]), batch[-1].id)
        size = min(2 * size, batch_max)


class RowSource(Protocol):
    """What an engine gives to a keyset sort; each call answers fewer rows only at the end."""

    slack_m: float
    batch_max: int

    async def by_key(self, after: After | None, size: int) -> Sequence[Candidate]:
        """Rows after a (key, id) of the sorts price and newest."""
        ...

    async def by_sphere(
        self, floor_m: float, seen: Sequence[Candidate], size: int
    ) -> Sequence[Candidate]:
        """Rows near the searcher's point, see :func:`distance_page`."""
        ...

    async def remote_by_id(self, after: After | None, size: int) -> Sequence[Candidate]:
        """Remote offers by id, at least all those outside the radius."""
        ...


async def sorted_page(
    query: SearchQuery, after: After | None, count: int, source: RowSource
) -> tuple[list[Candidate], bool]:
    """Up to ``count`` hits after a position under the query's sort, and whether more follow.

    Under "distance", remote offers outside the radius follow by id behind everything that has a
    distance.
    """
    if query.sort != "distance":
        return await key_page(
            after,
            count,
            source.by_key,
            lambda row: sort_key(query, row),
            lambda rows: within(query, rows),
            source.batch_max,
        )
    hits: list[Candidate] = []
    if after is None or after[0] is not None:
        hits, more = await distance_page(query, after, count, source.by_sphere, source.slack_m)
        if more or not query.remote:
            return hits, more
        after = None
    far, more = await key_page(
        after,
        max(1, count - len(hits)),
        source.remote_by_id,
        lambda row: None,
        lambda rows: [row for row in within(query, rows) if row.distance_m is None],
        source.batch_max,
    )
    return (hits, bool(far)) if len(hits) == count else (hits + far, more)
