"""SQL texts of the PostgreSQL engine: filters as clauses, values always as parameters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from handsel_search.cursor import Mode
from handsel_search.geo import PREFILTER, chord_length
from handsel_search.paging import After
from handsel_search.query import SearchQuery, ViewerRules
from handsel_search.reading import Group, all_of, any_of

__all__ = ("COLUMNS", "QUOTE_KEY", "Filters", "is_selective")

COLUMNS: Final = (
    "id, seller_id, storefront_id, kind, category, unit, currency, fulfilment, identity_tier,"
    " settled_count, created_at, price_minor, lat, lon, conduct_band, response_rate"
)
QUOTE_KEY: Final = 2**63 - 1
PRICE_KEY: Final = f"coalesce(price_minor, {QUOTE_KEY})"
FACET_ROWS_MAX: Final = 10_000
TEXT_SHARE: Final = 0.6


class Filters:
    """The WHERE clause of one query and viewer; ``mode`` says how the text must match.

    ``bounded=False`` leaves the radius to the caller: the planner believes that a box holds a
    thousandth of the table and sorts what it finds, where a plain nearest-neighbour scan that
    stops at the limit is ten times faster, as long as no other filter makes hits rare.

    ``add(value, type)`` registers a parameter and gives its placeholder, so that the SQL text
    depends only on which filters are present: the driver's statement cache stays small.
    """

    def __init__(
        self,
        query: SearchQuery,
        viewer: ViewerRules,
        groups: tuple[Group, ...],
        mode: Mode = "all",
        *,
        bounded: bool = True,
    ) -> None:
        self.query = query
        self.mode = mode
        self.args: list[object] = []
        self.clauses = ["live"]
        self.tsquery: str | None = None
        self.centre: str | None = None
        if groups:
            text = any_of(groups) if mode == "any" else all_of(groups)
            self.tsquery = self.add(text, "tsquery")
            self.clauses.append(f"doc @@ {self.tsquery}")
        self._choices(viewer)
        self._price()
        self._place(bounded=bounded)

    def add(self, value: object, kind: str) -> str:
        """Register a parameter of a PostgreSQL type; its placeholder with the cast."""
        self.args.append(value)
        return f"${len(self.args)}::{kind}"

    @property
    def where(self) -> str:
        """The clauses joined."""
        return " AND ".join(self.clauses)

    def _choices(self, viewer: ViewerRules) -> None:
        query = self.query
        for column, value in (("kind", query.kind), ("unit", query.unit)):
            if value is not None:
                self.clauses.append(f"{column} = {self.add(value, 'text')}")
        if query.categories:
            chosen = self.add(sorted(query.categories), "text[]")
            self.clauses.append(f"category = ANY({chosen})")
        if query.fulfilment:
            chosen = self.add(sorted(query.fulfilment), "text[]")
            self.clauses.append(f"fulfilment && {chosen}")
        if query.verified_facts:
            chosen = self.add(sorted(query.verified_facts), "text[]")
            self.clauses.append(f"verified_facts @> {chosen}")
        if query.identity_tier_min is not None:
            tier = self.add(query.identity_tier_min, "smallint")
            self.clauses.append(f"identity_tier >= {tier}")
        if viewer.excluded_seller_ids:
            hidden = self.add(sorted(viewer.excluded_seller_ids), "text[]")
            self.clauses.append(f"seller_id <> ALL({hidden})")

    def _price(self) -> None:
        query = self.query
        if query.currency is not None:
            self.clauses.append(f"currency = {self.add(query.currency, 'text')}")
        if query.price_min_minor is not None:
            self.clauses.append(f"price_minor >= {self.add(query.price_min_minor, 'bigint')}")
        if query.price_max_minor is not None:
            self.clauses.append(f"price_minor <= {self.add(query.price_max_minor, 'bigint')}")

    def _place(self, *, bounded: bool) -> None:
        query = self.query
        if query.point is None or query.radius_m is None:
            return
        lat = self.add(query.point[0], "float8")
        lon = self.add(query.point[1], "float8")
        # A scalar subquery is computed once per statement; the bare call, in a generic plan, once
        # per row, which is a hundred times slower.
        self.centre = f"(SELECT ll_to_earth({lat}, {lon}))"
        if not bounded:
            return
        chord = self.add(chord_length(query.radius_m * PREFILTER), "float8")
        box = f"(SELECT cube_enlarge({self.centre}, {chord}, 3))"
        near = f"pos <-> {self.centre} <= {chord}"
        if self.tsquery is None or self.mode == "any":
            # Words that must all occur are rarer than places: there the text index leads.
            near = f"(pos <@ {box} AND {near})"
        if query.remote:
            near = f"({near} OR fulfilment @> '{{remote}}')"
        self.clauses.append(near)

    def best(self, table: str, groups: tuple[Group, ...], limit: int) -> str:
        """Candidates of "best" by text rank and nearness, with their text score."""
        nearness = "0.0"
        if self.centre is not None and self.query.radius_m is not None:
            scale = self.add(chord_length(self.query.radius_m / 3), "float8")
            nearness = f"coalesce(exp(-(pos <-> {self.centre}) / {scale}), 0.0)"
        rank = f"least(4 * ts_rank(doc, {self.tsquery}), 1.0)"
        exact = self.add([group.exact_query() for group in groups], "tsquery[]")
        wide = self.add([group.query() for group in groups], "tsquery[]")
        return f"""
            SELECT {COLUMNS}, (
                SELECT avg(CASE WHEN doc @@ e THEN 1.0 WHEN doc @@ w THEN 0.75 ELSE 0.0 END)
                FROM unnest({exact}, {wide}) AS asked (e, w)
            )::float8 * (0.5 + 0.5 * rank) AS text_score
            FROM (
                SELECT {COLUMNS}, doc, {rank} AS rank
                FROM {table} WHERE {self.where}
                ORDER BY {TEXT_SHARE} * {rank} + {1 - TEXT_SHARE} * {nearness} DESC, id
                LIMIT {limit}
            ) AS hit"""

    def nearest(self, table: str, limit: int) -> str:
        """Candidates of "best" without a text: the nearest, or the newest without a point."""
        order, where = "created_at DESC", self.where
        if self.centre is not None:
            order = f"pos <-> {self.centre}"
            where += "" if self.query.remote else " AND pos IS NOT NULL"
        return f"SELECT {COLUMNS} FROM {table} WHERE {where} ORDER BY {order}, id LIMIT {limit}"

    def by_sphere(
        self, table: str, floor_m: float, last: tuple[float, str] | None, size: int
    ) -> str:
        """Rows by (chord, id), from a sphere distance on or after a row's (chord, id)."""
        clauses = [self.where, "pos IS NOT NULL"]
        if last is not None:
            chord, row_id = self.add(last[0], "float8"), self.add(last[1], "uuid")
            clauses.append(f"(pos <-> {self.centre}, id) > ({chord}, {row_id})")
        elif floor_m > 0:
            clauses.append(f"pos <-> {self.centre} >= {self.add(chord_length(floor_m), 'float8')}")
        return f"""
            SELECT {COLUMNS}, pos <-> {self.centre} AS chord FROM {table}
            WHERE {" AND ".join(clauses)} ORDER BY pos <-> {self.centre}, id LIMIT {size}"""

    def by_key(self, table: str, after: After | None, size: int) -> str:
        """Rows strictly after a (key, id) of the sorts price and newest."""
        clauses = [self.where]
        if self.query.sort == "price":
            order = f"{PRICE_KEY}, id"
            if after is not None:
                key = self.add(QUOTE_KEY if after[0] is None else after[0], "bigint")
                clauses.append(f"({PRICE_KEY}, id) > ({key}, {self.add(after[1], 'uuid')})")
        else:
            order = "created_at DESC, id"
            if after is not None:
                moment = self.add(_moment(int(after[0] or 0)), "timestamptz")
                row_id = self.add(after[1], "uuid")
                clauses.append(
                    f"created_at <= {moment} AND (created_at < {moment} OR id > {row_id})"
                )
        return (
            f"SELECT {COLUMNS} FROM {table} WHERE {' AND '.join(clauses)}"
            f" ORDER BY {order} LIMIT {size}"
        )

    def remote_by_id(self, table: str, after_id: str | None, size: int) -> str:
        """Remote offers by id that do not surely lie inside the radius."""
        clauses = [self.where, "fulfilment @> '{remote}'"]
        if self.query.radius_m is not None:
            sure = self.add(chord_length(self.query.radius_m * 0.99), "float8")
            clauses.append(f"(pos IS NULL OR pos <-> {self.centre} > {sure})")
        if after_id is not None:
            clauses.append(f"id > {self.add(after_id, 'uuid')}")
        return (
            f"SELECT {COLUMNS} FROM {table} WHERE {' AND '.join(clauses)} ORDER BY id LIMIT {size}"
        )

    def facets(self, table: str) -> str:
        """Total and counts by each facet of at most 10,000 hits, in one scan."""
        return f"""
            SELECT category, kind, unit, fulfilment, count(*) AS hits
            FROM (SELECT category, kind, unit, fulfilment FROM {table}
                  WHERE {self.where} LIMIT {FACET_ROWS_MAX}) AS hit
            GROUP BY GROUPING SETS ((), (category), (kind), (unit), (fulfilment))"""


def is_selective(query: SearchQuery, groups: tuple[Group, ...]) -> bool:
    """Whether anything but place and viewer rules narrows the hits."""
    return bool(
        groups
        or query.categories
        or query.kind
        or query.unit
        or query.currency
        or query.fulfilment
        or query.verified_facts
        or query.identity_tier_min
    )


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
