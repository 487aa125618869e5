"""Amounts as Stripe writes them: its minor unit is not always ISO 4217's.

Source: docs.stripe.com/currencies (zero-decimal, three-decimal, special cases). Whatever cannot be
said to Stripe without rounding is refused, never rounded.
"""

from collections.abc import Mapping
from types import MappingProxyType

#: How many of Stripe's units our minor unit is, where it is not one: Iceland's króna has no
#: decimals but is written with two.
_TIMES: Mapping[str, int] = MappingProxyType({"ISK": 100})
#: The last digit of a three-decimal currency must be 0: card networks know only two.
_CHARGE_STEP: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10)
)
#: Charged with two decimals, paid out to banks without.
_PAYOUT_STEP: Mapping[str, int] = MappingProxyType({**_CHARGE_STEP, "HUF": 100, "TWD": 100})
#: Stripe's pages call it zero-decimal and two-decimal; a guess could be wrong by a hundred.
_UNCLEAR = frozenset({"UGX"})


class AmountRefused(Exception):
    """This amount cannot be said to Stripe exactly. ``args[0]`` is the failure's code."""


def to_stripe(amount_minor: int, currency: str, *, payout: bool = False) -> int:
    """An amount in Stripe's units. Raises ``AmountRefused``."""
    if currency in _UNCLEAR:
        raise AmountRefused("currency_not_supported")
    if amount_minor % (_PAYOUT_STEP if payout else _CHARGE_STEP).get(currency, 1):
        raise AmountRefused("amount_too_precise")
    return amount_minor * _TIMES.get(currency, 1)


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's units in ours, of a currency in any case. Raises ``AmountRefused``."""
    code = currency.upper()
    if code in _UNCLEAR:
        raise AmountRefused("currency_not_supported")
    whole, rest = divmod(amount, _TIMES.get(code, 1))
    if rest:
        raise AmountRefused("amount_too_precise")
    return whole
