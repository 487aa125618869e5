"""From candidates to hits: the rows are read again, so that an answer shows what is true now."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingCard, Point
from handsel.catalog.search.schemas import SearchHit, Why
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.people.members import service as members
from handsel_search.engine import Candidate
from handsel_search.geo import distance_m
from handsel_search.query import SearchQuery

_VISIBLE = ("open", "travel")
Placed = tuple[Candidate, list[Why]]


async def read_hits(
    conn: asyncpg.Connection,
    query: SearchQuery,
    placed: Sequence[Placed],
    covering: tuple[float, float] | None = None,
) -> tuple[list[SearchHit], datetime]:
    """The hits as the listings are now: what is no longer live or no longer fits is left out. With
    ``covering``, only sellers whose own radius reaches that point."""
    as_of: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
    ids = [UUID(candidate.id) for candidate, _ in placed]
    cards = {card.id: card for card in await listings.by_ids(conn, ids)} if ids else {}
    cards = await _of_open_sellers(conn, cards)
    hits: list[SearchHit] = []
    for key, (_, why) in zip(ids, placed, strict=True):
        card = cards.get(key)
        if card is None or card.state != "live" or not _in_price(query, card):
            continue
        if covering is not None and not _covers(card, covering):
            continue
        metres = _metres(query, card)
        if metres is not None or query.point is None or "remote" in card.fulfilment:
            hits.append(_hit(card, metres, why))
    return hits, as_of


async def _of_open_sellers(
    conn: asyncpg.Connection, cards: dict[UUID, ListingCard]
) -> dict[UUID, ListingCard]:
    """Without those whose account is locked, quiet or for friends only."""
    sellers = await members.by_ids(conn, {card.seller_id for card in cards.values()})
    visible = {key for key, seller in sellers.items() if seller.state in _VISIBLE}
    return {key: card for key, card in cards.items() if card.seller_id in visible}


def _covers(card: ListingCard, point: tuple[float, float]) -> bool:
    """Whether the seller travels so far: from the published point, like every distance."""
    if card.lat is None or card.lon is None or card.service_radius_m is None:
        return False
    return distance_m(point, (card.lat, card.lon)) <= card.service_radius_m


def _in_price(query: SearchQuery, card: ListingCard) -> bool:
    low, high = query.price_min_minor, query.price_max_minor
    if low is None and high is None:
        return True
    if card.price_minor is None or card.currency != query.currency:
        return False
    return (low or 0) <= card.price_minor and (high is None or card.price_minor <= high)


def _metres(query: SearchQuery, card: ListingCard) -> float | None:
    """Geodesic metres to the published point; None without one, or outside the radius."""
    if query.point is None or card.lat is None or card.lon is None:
        return None
    metres = distance_m(query.point, (card.lat, card.lon))
    return metres if query.radius_m is None or metres <= query.radius_m else None


def _hit(card: ListingCard, metres: float | None, why: list[Why]) -> SearchHit:
    price, point = None, None
    if card.price_minor is not None and card.currency is not None:
        price = Money(amount_minor=card.price_minor, currency=card.currency)
    if card.lat is not None and card.lon is not None:
        point = Point(lat=card.lat, lon=card.lon)
    return SearchHit(
        listing=encode("lst", card.id),
        title=card.title,
        storefront=card.storefront,
        category=card.category,
        kind=card.kind,
        price=price,
        unit=card.unit,
        fulfilment=card.fulfilment,
        published_point=point,
        distance_m=None if metres is None else round(metres),
        why=why,
    )
