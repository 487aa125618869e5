"""Money as integers of the minor unit, and the only ways to divide it.

Nothing here rounds in silence: a share is rounded by a named rule, and what is left over always
has a named home, so that the parts add up to the whole.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated

import msgspec
from babel.numbers import format_currency, get_currency_precision, list_currencies

MAX_AMOUNT_MINOR = 10**15
#: Our own unit, which CLDR does not know: the minutes of hours that are given and taken.
MINUTE = "MIN"
BPS = 10_000

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", examples=["EUR"])]
AmountMinor = Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT_MINOR)]


class Money(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount in minor units of one ISO 4217 currency: 12.50 EUR is 1250 EUR."""

    amount_minor: Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT_MINOR)]
    currency: Currency

    def __str__(self) -> str:
        """As a person reads it, in English: ``€12.50``."""
        return display(self.amount_minor, self.currency)


@cache
def exponent(currency: str) -> int:
    """Decimal places of a currency (EUR 2, JPY 0, KWD 3), from CLDR by babel."""
    return 0 if currency == MINUTE else get_currency_precision(currency)


@cache
def known_currencies() -> frozenset[str]:
    """ISO 4217 codes that babel knows."""
    return frozenset(list_currencies())


@lru_cache(maxsize=8192)  # the same prices again and again, and CLDR patterns are slow to apply
def display(amount_minor: int, currency: str, locale: str = "en") -> str:
    """Format for people; never parsed again."""
    if currency == MINUTE:
        hours, minutes = divmod(amount_minor, 60)
        parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n]
        return " ".join(parts) or "0 min"
    amount = Decimal(amount_minor).scaleb(-exponent(currency))
    return format_currency(amount, currency, locale=locale)


def plain(amount_minor: int, places: int) -> str:
    """For machines: ``plain(-1250, 2)`` is ``"-12.50"``, exact whatever the size."""
    sign, digits = "-" if amount_minor < 0 else "", str(abs(amount_minor)).zfill(places + 1)
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def share_bps(amount_minor: int, bps: int) -> int:
    """``bps`` ten-thousandths of an amount, rounded half up to the minor unit.

    Half up, and not half even, because the fee table promises it to people in one sentence.
    """
    if amount_minor < 0 or bps < 0:
        raise ValueError("a share is taken of nothing less than zero")
    return (amount_minor * bps + BPS // 2) // BPS


def allocate(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Split a total by weights so that the parts sum to it exactly (largest remainder).

    The remaining units go to the largest fractions; among equals the earlier part wins, so the
    caller decides the home of the rounding unit by the order of the weights.
    """
    whole = sum(weights)
    if total_minor < 0 or whole <= 0 or min(weights) < 0:
        raise ValueError("allocate needs a total >= 0 and weights >= 0 that are not all zero")
    parts = [total_minor * weight // whole for weight in weights]
    by_fraction = sorted(
        range(len(weights)), key=lambda i: (-(total_minor * weights[i] % whole), i)
    )
    for index in by_fraction[: total_minor - sum(parts)]:
        parts[index] += 1
    return parts
