"""From rows to answers."""

from handsel.catalog.listings import categories, policy
from handsel.catalog.listings.categories import Cancellation
from handsel.catalog.listings.queries import Listing
from handsel.catalog.listings.schemas import (
    CategoryList,
    CategoryView,
    ListingCard,
    ListingForOrder,
    ListingView,
    OwnListingView,
    Point,
    Price,
)
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money


def price_of(row: Listing) -> Money | None:
    """What one unit costs; None for a quote."""
    if row.price_minor is None or row.currency is None:
        return None
    return Money(amount_minor=row.price_minor, currency=row.currency)


def _public(row: Listing) -> dict[str, object]:
    point = None if row.lat is None or row.lon is None else Point(lat=row.lat, lon=row.lon)
    return {
        "id": encode("lst", row.id),
        "storefront": row.handle,
        "title": row.title,
        "description": row.description,
        "category": row.category,
        "kind": row.kind,
        "tags": row.tags,
        "price": price_of(row),
        "unit": row.unit,
        "fulfilment": row.fulfilment,
        "published_point": point,
        "service_radius_m": row.service_radius_m,
        "time_zone": row.time_zone,
        "deposit_minor": row.deposit_minor,
        "inspection_period": row.inspection_period,
        "cancellation": cancellation_of(row),
        "state": row.state,
        "version": row.version,
        "published_at": row.published_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def cancellation_of(row: Listing) -> Cancellation:
    """The listing's own terms."""
    return Cancellation(free_until=row.free_until, late_share_bps=row.late_share_bps)


def public_view(row: Listing) -> ListingView:
    """For everybody."""
    return ListingView(**_public(row))  # type: ignore[arg-type]


def own_view(row: Listing) -> OwnListingView:
    """For the owner; the row must have been read with its true point."""
    place: Point | str = "remote"
    if row.true_lat is not None and row.true_lon is not None:
        place = Point(lat=row.true_lat, lon=row.true_lon)
    money = price_of(row)
    price = Price(amount_minor=money.amount_minor, currency=money.currency) if money else None
    blockers = policy.blockers(row.category, price)
    return OwnListingView(**_public(row), place=place, blockers=blockers)  # type: ignore[arg-type]


def for_order(row: Listing) -> ListingForOrder:
    """What an order freezes."""
    category = categories.find(row.category)
    return ListingForOrder(
        id=row.id,
        seller_id=row.seller_id,
        seller=row.handle,
        title=row.title,
        category=row.category,
        kind=row.kind,
        unit=row.unit,
        fulfilment=row.fulfilment,
        price_minor=row.price_minor,
        currency=row.currency,
        deposit_minor=row.deposit_minor,
        time_zone=row.time_zone,
        inspection_period=row.inspection_period,
        cancellation=cancellation_of(row),
        processes=list(category.processes) if category else [],
        live=row.live,
        version=row.version,
    )


def card(row: Listing) -> ListingCard:
    """The short form."""
    return ListingCard(
        id=row.id,
        seller_id=row.seller_id,
        storefront=row.handle,
        title=row.title,
        category=row.category,
        kind=row.kind,
        unit=row.unit,
        fulfilment=row.fulfilment,
        price_minor=row.price_minor,
        currency=row.currency,
        lat=row.lat,
        lon=row.lon,
        service_radius_m=row.service_radius_m,
        state=row.state,
        version=row.version,
    )


def category_list() -> CategoryList:
    """Every category, pack by pack."""
    packs = categories.load()
    return CategoryList(
        versions={pack.pack: pack.version for pack in packs},
        items=[_category(pack.pack, category) for pack in packs for category in pack.category],
    )


def _category(pack: str, category: categories.Category) -> CategoryView:
    return CategoryView(
        slug=category.slug,
        pack=pack,
        names=category.names,
        kind=category.kind,
        risk=category.risk,
        rule=category.rule,
        sample_only=category.sample_only,
        processes=list(category.processes),
        units=category.units,
        fulfilment=category.fulfilment,
        service_radius_m=category.service_radius_m,
        inspection_period=category.inspection_period,
        cancellation=category.cancellation,
        largest_amount=[
            Money(amount_minor=amount, currency=currency)
            for currency, amount in category.largest_amount.items()
        ],
        questions=category.questions,
        synonyms=category.synonyms,
    )
