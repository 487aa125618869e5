"""What a listing may be: shape rules that refuse at once, and what bars it from being public."""

from collections.abc import Sequence
from functools import cache
from typing import Literal
from zoneinfo import available_timezones

from handsel.catalog.listings import categories, errors
from handsel.catalog.listings.categories import Cancellation, CancellationPolicy, Category
from handsel.catalog.listings.schemas import Point, Price, Reason
from handsel.foundation.core.money import MAX_AMOUNT_MINOR, display, known_currencies
from handsel_search.documents import FULFILMENTS, Fulfilment, Unit

TITLE_MIN, TITLE_MAX = 3, 120


def known_category(slug: str) -> Category:
    """The category. Raises ``UnknownCategory``."""
    category = categories.find(slug)
    if category is None:
        raise errors.UnknownCategory("GET /v1/categories lists them")
    return category


def choose_cancellation(category: Category, named: CancellationPolicy | None) -> Cancellation:
    """The terms of the named policy, or of the category."""
    return categories.cancellation_policies()[named] if named else category.cancellation


def clean_title(title: str) -> str:
    """The title with single spaces. Raises ``TitleLength``."""
    text = " ".join(title.split())
    if not TITLE_MIN <= len(text) <= TITLE_MAX:
        raise errors.TitleLength
    return text


def check_price(price: Price | None) -> None:
    """Raises ``PriceNotPositive``, ``UnknownCurrency``. A price of None is a quote."""
    if price is None:
        return
    if price.currency not in known_currencies():
        raise errors.UnknownCurrency(f"{price.currency} is not in ISO 4217")
    if not 0 < price.amount_minor <= MAX_AMOUNT_MINOR:
        raise errors.PriceNotPositive(f"1 to {MAX_AMOUNT_MINOR} minor units, or null for a quote")


def choose_unit(category: Category, priced: bool, asked: Unit | None) -> Unit:
    """The unit, by default the category's. Raises ``UnitNotOffered``."""
    unit = asked or (category.default_unit if priced else "quote")
    if unit not in category.units:
        raise errors.UnitNotOffered(f"one of {', '.join(category.units)}")
    if (unit == "quote") is priced:
        raise errors.UnitNotOffered("the unit is quote exactly when there is no price")
    return unit


def choose_fulfilment(
    category: Category, place: Point | Literal["remote"], asked: Sequence[Fulfilment] | None
) -> list[Fulfilment]:
    """The ways of fulfilment, by default the category's first that fits the place.

    Raises ``FulfilmentNotOffered``: not in the category, or not remote where there is no place, or
    only remote where there is one.
    """
    remote = place == "remote"
    first = [way for way in category.fulfilment if (way == "remote") is remote][:1]
    ways = sorted(set(first if asked is None else asked), key=FULFILMENTS.index)
    if not ways or not set(ways) <= set(category.fulfilment):
        offered = ", ".join(category.fulfilment)
        raise errors.FulfilmentNotOffered(f"{category.slug} is fulfilled {offered}")
    if (ways == ["remote"]) is not remote:
        raise errors.FulfilmentNotOffered(
            "the place is remote exactly when nothing else is offered"
        )
    return ways


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_time_zone(name: str | None) -> None:
    """Raises ``UnknownTimeZone`` for what is not in the IANA database."""
    if name is not None and name not in _time_zones():
        raise errors.UnknownTimeZone


def blockers(slug: str, price: Price | None, *, sample: bool = False) -> list[Reason]:
    """Everything that bars a listing from being public; empty when it may be.

    ``sample`` is true for the import, which alone may publish in categories for sample data.
    """
    category = categories.find(slug)
    if category is None:
        return [Reason(code="category_gone", detail="This category no longer exists.")]
    reasons: list[Reason] = []
    if category.rule == "forbidden":
        reasons.append(Reason(code="category_forbidden", detail="This may not be offered here."))
    if category.rule == "licence":
        detail = "This needs a verified licence, which cannot be shown yet."
        reasons.append(Reason(code="licence_needed", detail=detail))
    if category.sample_only and not sample:
        detail = "This category is for imported sample data."
        reasons.append(Reason(code="sample_only", detail=detail))
    return reasons + _price_blockers(category, price)


def _price_blockers(category: Category, price: Price | None) -> list[Reason]:
    if price is None:
        return []
    largest = category.largest_amount.get(price.currency)
    if largest is None:
        known = ", ".join(sorted(category.largest_amount))
        return [Reason(code="currency_not_taken", detail=f"This category takes {known}.")]
    if price.amount_minor > largest:
        most = display(largest, price.currency)
        return [Reason(code="price_too_large", detail=f"The most in this category is {most}.")]
    return []
