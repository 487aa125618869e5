"""What an order costs its seller: pure arithmetic over the public fee table."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec

from handsel.foundation.core.money import BPS, share_bps
from handsel.foundation.core.schema import View
from handsel.money.escrow.lines import Line, share

#: A share above the whole would make a seller owe money for a sale.
Bps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class FundShare(View):
    """What part of a fee feeds the protection fund, in ten-thousandths."""

    protection_fund_bps: Bps


class FeeTable(View):
    """The published fee table: rates in ten-thousandths of the price, caps in minor units.

    ``fee_tax_bps`` is the tax on a fee, in ten-thousandths of the fee, on top of it and of the cap.
    """

    version: str
    free_first_orders: Count
    rate_bps: Bps
    repeat_after: Count
    repeat_rate_bps: Bps
    cap_minor: dict[str, Count]
    share: FundShare
    fee_tax_bps: Bps = 0

    def __post_init__(self) -> None:
        if max(self.rate_bps, self.repeat_rate_bps) * (BPS + self.fee_tax_bps) > BPS * BPS:
            raise ValueError("fee and tax together are more than the price")


class Fee(View, omit_defaults=True):
    """A fee as it was frozen at sale. ``reason`` is free_first_orders, repeat_pair or standard.

    ``amount_minor`` is all that the seller pays; of it ``fund_share_minor`` goes to the protection
    fund and ``tax_minor`` (absent when zero, so that older terms keep their hash) is owed as tax.
    """

    amount_minor: int
    fund_share_minor: int
    rate_bps: int
    reason: str
    table_version: str
    tax_minor: int = 0

    @property
    def house_minor(self) -> int:
        """What the house earns."""
        return self.amount_minor - self.fund_share_minor - self.tax_minor

    def lines(self) -> tuple[Line, Line, Line]:
        """The whole fee, and of it the fund's share and the tax."""
        return (
            Line(name="fee", paid_by="seller", amount_minor=self.amount_minor),
            Line(name="fund_share", paid_by="seller", amount_minor=self.fund_share_minor),
            Line(name="fee_tax", paid_by="seller", amount_minor=self.tax_minor),
        )


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
    """The fee that stays when the seller gets only a part of the price: its share by ``lines``.

    Only what was frozen at sale counts, for fund and tax too: a later table changes no sold order.
    """
    whole, fund, tax = share(fee.lines(), part_minor, price_minor).kept
    return msgspec.structs.replace(
        fee,
        amount_minor=whole.amount_minor,
        fund_share_minor=fund.amount_minor,
        tax_minor=tax.amount_minor,
    )


def grown(fee: Fee, price_minor: int, currency: str) -> Fee:
    """The fee of a price that the two have raised: at the rate that was frozen at sale."""
    return _fee(price_minor, currency, fee.rate_bps, fee.reason, current())


def none(fee: Fee) -> Fee:
    """No fee is taken after all."""
    return msgspec.structs.replace(fee, amount_minor=0, fund_share_minor=0, tax_minor=0)


def _fee(price_minor: int, currency: str, rate_bps: int, reason: str, table: FeeTable) -> Fee:
    amount = share_bps(price_minor, rate_bps)
    cap = table.cap_minor.get(currency)
    if cap is not None:
        amount = min(amount, cap)
    # Both are rounded half up: of a price of one unit they must not take two.
    tax = min(share_bps(amount, table.fee_tax_bps), price_minor - amount)
    return Fee(
        amount_minor=amount + tax,
        tax_minor=tax,
        fund_share_minor=share_bps(amount, table.share.protection_fund_bps),
        rate_bps=rate_bps,
        reason=reason,
        table_version=table.version,
    )
