"""The public fee table: exact values, and what holds for every price."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel.foundation.core.money import MAX_AMOUNT_MINOR, allocate
from handsel.money.escrow import fees
from handsel.money.escrow.fees import Fee, FeeTable, FundShare

TABLE = FeeTable(
    version="test",
    free_first_orders=3,
    rate_bps=800,
    repeat_after=3,
    repeat_rate_bps=400,
    cap_minor={"EUR": 5000},
    share=FundShare(protection_fund_bps=1000),
)
prices = st.integers(1, MAX_AMOUNT_MINOR) | st.integers(1, 200)
currencies = st.sampled_from(["EUR", "JPY"])
counts = st.integers(0, 6)


def fee_of(price: int, currency: str = "EUR", orders: int = 3, pair: int = 0) -> Fee:
    return fees.at_sale(price, currency, seller_orders=orders, pair_settled=pair, table=TABLE)


@pytest.mark.parametrize(
    ("price", "currency", "orders", "pair", "amount", "fund", "rate", "reason"),
    [
        (2500, "EUR", 0, 0, 0, 0, 0, "free_first_orders"),
        (2500, "EUR", 2, 9, 0, 0, 0, "free_first_orders"),
        (2500, "EUR", 3, 0, 200, 20, 800, "standard"),
        (2500, "EUR", 3, 2, 200, 20, 800, "standard"),
        (2500, "EUR", 3, 3, 100, 10, 400, "repeat_pair"),
        (2999, "EUR", 3, 0, 240, 24, 800, "standard"),
        (1, "EUR", 3, 0, 0, 0, 800, "standard"),
        (6, "EUR", 3, 0, 0, 0, 800, "standard"),
        (7, "EUR", 3, 0, 1, 0, 800, "standard"),
        (62, "EUR", 3, 0, 5, 1, 800, "standard"),
        (62_493, "EUR", 3, 0, 4999, 500, 800, "standard"),
        (62_500, "EUR", 3, 0, 5000, 500, 800, "standard"),
        (62_600, "EUR", 3, 0, 5000, 500, 800, "standard"),
        (10**15, "EUR", 3, 0, 5000, 500, 800, "standard"),
        (10**15, "JPY", 3, 0, 8 * 10**13, 8 * 10**12, 800, "standard"),
    ],
)
def test_a_fee_is_what_the_table_says(
    price: int,
    currency: str,
    orders: int,
    pair: int,
    amount: int,
    fund: int,
    rate: int,
    reason: str,
) -> None:
    fee = fee_of(price, currency, orders, pair)

    assert fee == Fee(
        amount_minor=amount,
        fund_share_minor=fund,
        rate_bps=rate,
        reason=reason,
        table_version="test",
    )


@pytest.mark.parametrize(
    ("part", "amount", "fund"),
    [
        (0, 0, 0),
        (1, 0, 0),
        (13, 1, 0),
        (1499, 119, 11),
        (1500, 120, 12),
        (2998, 239, 23),
        (2999, 240, 24),
    ],
)
def test_a_part_of_the_price_pays_its_part_of_the_fee_rounded_down(
    part: int, amount: int, fund: int
) -> None:
    fee = fees.on_part(fee_of(2999), part, 2999)

    assert (fee.amount_minor, fee.fund_share_minor) == (amount, fund)
    assert (fee.rate_bps, fee.reason, fee.table_version) == (800, "standard", "test")


@given(prices, currencies, counts, counts)
def test_a_fee_is_within_the_price_its_cap_and_holds_its_fund_share(
    price: int, currency: str, orders: int, pair: int
) -> None:
    fee = fee_of(price, currency, orders, pair)

    assert 0 <= fee.fund_share_minor <= fee.amount_minor <= price
    assert fee.amount_minor <= TABLE.cap_minor.get(currency, price)
    assert (fee.amount_minor == 0) or orders >= 3
    assert (
        abs(fee.amount_minor * 10_000 - price * fee.rate_bps) <= 5_000 or fee.amount_minor == 5000
    )


@given(prices, currencies, counts, counts, counts)
def test_selling_more_or_again_to_the_same_never_costs_more(
    price: int, currency: str, orders: int, pair: int, more: int
) -> None:
    fee = fee_of(price, currency, orders, pair).amount_minor

    assert fee_of(price, currency, orders, pair + more).amount_minor <= fee
    assert fee_of(price, currency, orders + more, pair).amount_minor >= fee


@given(prices, currencies, counts, st.data())
def test_the_parts_of_a_shared_hold_always_sum(
    price: int, currency: str, pair: int, data: st.DataObject
) -> None:
    whole = fee_of(price, currency, 3, pair)
    back, kept = allocate(price, (w := data.draw(st.integers(0, 10_000)), 10_000 - w))
    fee = fees.on_part(whole, kept, price)

    legs = (back, kept - fee.amount_minor, fee.amount_minor - fee.fund_share_minor,
            fee.fund_share_minor)  # fmt: skip

    assert sum(legs) == price
    assert min(legs) >= 0
    assert fee.amount_minor <= min(whole.amount_minor, kept)
    other = fees.on_part(whole, back, price)
    assert fee.amount_minor + other.amount_minor in (whole.amount_minor, whole.amount_minor - 1)
    assert fees.on_part(whole, price, price) == whole


def test_the_shipped_table_is_the_published_one() -> None:
    table = fees.current()

    assert (table.free_first_orders, table.rate_bps) == (3, 800)
    assert (table.repeat_after, table.repeat_rate_bps) == (3, 400)
    assert table.cap_minor == {"EUR": 5000, "GBP": 4500, "HKD": 45000, "USD": 5500}
    assert table.share.protection_fund_bps == 1000


@pytest.mark.parametrize(
    "change",
    [
        {"rate_bps": 10_001},
        {"rate_bps": -1},
        {"repeat_rate_bps": 10_001},
        {"cap_minor": {"EUR": -1}},
        {"free_first_orders": -1},
        {"share": {"protection_fund_bps": 10_001}},
    ],
)
def test_a_table_under_which_a_seller_would_owe_money_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(TABLE) | change, FeeTable)
