"""What an order costs its seller: pure arithmetic over the public fee table."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec

from handsel.foundation.core.money import share_bps
from handsel.foundation.core.schema import View

#: A share above the whole would make a seller owe money for a sale.
Bps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class FundShare(View):
    """What part of a fee feeds the protection fund, in ten-thousandths."""

    protection_fund_bps: Bps


class FeeTable(View):
    """The published fee table: rates in ten-thousandths of the price, caps in minor units."""

    version: str
    free_first_orders: Count
    rate_bps: Bps
    repeat_after: Count
    repeat_rate_bps: Bps
    cap_minor: dict[str, Count]
    share: FundShare


class Fee(View):
    """A fee as it was frozen at sale. ``reason`` is free_first_orders, repeat_pair or standard."""

    amount_minor: int
    fund_share_minor: int
    rate_bps: int
    reason: str
    table_version: str


@cache
def current() -> FeeTable:
    """The fee table of this release."""
    text = Path(__file__).with_name("fees.toml").read_text()
    return msgspec.convert(tomllib.loads(text), FeeTable)


def at_sale(
    price_minor: int, currency: str, *, seller_orders: int, pair_settled: int, table: FeeTable
) -> Fee:
    """The fee of an order of this price; ``seller_orders`` is how many the seller sold before."""
    if seller_orders < table.free_first_orders:
        rate, reason = 0, "free_first_orders"
    elif pair_settled >= table.repeat_after:
        rate, reason = table.repeat_rate_bps, "repeat_pair"
    else:
        rate, reason = table.rate_bps, "standard"
    return _fee(price_minor, currency, rate, reason, table)


def on_part(fee: Fee, part_minor: int, price_minor: int) -> Fee:
    """The fee that stays when the seller gets only a part of the price: its share, rounded down.

    Down, because the unit that cannot be divided goes back with the money, not to the house. Only
    what was frozen at sale counts, for the fund's share too: a later table changes no sold order.
    """
    return msgspec.structs.replace(
        fee,
        amount_minor=fee.amount_minor * part_minor // price_minor,
        fund_share_minor=fee.fund_share_minor * part_minor // price_minor,
    )


def _fee(price_minor: int, currency: str, rate_bps: int, reason: str, table: FeeTable) -> Fee:
    amount = share_bps(price_minor, rate_bps)
    cap = table.cap_minor.get(currency)
    if cap is not None:
        amount = min(amount, cap)
    return Fee(
        amount_minor=amount,
        fund_share_minor=share_bps(amount, table.share.protection_fund_bps),
        rate_bps=rate_bps,
        reason=reason,
        table_version=table.version,
    )
