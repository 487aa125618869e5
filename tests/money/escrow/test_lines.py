"""Lines of a sale: shared exactly, whoever asks, in whatever order, in however many steps."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel.money.escrow import fees
from handsel.money.escrow.fees import Fee, FeeTable, FundShare
from handsel.money.escrow.lines import Line, share

amounts = st.integers(0, 10**15) | st.integers(0, 50)
wholes = st.integers(1, 10**15) | st.integers(1, 50)
names = st.sampled_from(["fee", "fund_share", "fee_tax", "coupon", "bond"])
some_lines = st.lists(
    st.builds(Line, name=names, paid_by=st.sampled_from(["seller", "buyer"]), amount_minor=amounts),
    max_size=6,
)


def of(lines: tuple[Line, ...]) -> list[int]:
    return [line.amount_minor for line in lines]


def fee_lines(*minor: int) -> list[Line]:
    return [Line(name="fee", paid_by="seller", amount_minor=amount) for amount in minor]


@pytest.mark.parametrize(
    ("lines", "kept", "whole", "stay", "go_back"),
    [
        ([240, 24, 46], 1499, 2999, [119, 11, 22], [121, 13, 24]),
        ([1, 1, 1], 2, 3, [0, 0, 0], [1, 1, 1]),
        ([7], 1, 2, [3], [4]),
        ([7], 0, 2, [0], [7]),
        ([7, 0], 2, 2, [7, 0], [0, 0]),
        ([10**15], 10**15 - 1, 10**15, [10**15 - 1], [1]),
        ([], 1, 2, [], []),
    ],
)
def test_a_unit_that_cannot_be_divided_goes_back_to_whoever_pays_the_line(
    lines: list[int], kept: int, whole: int, stay: list[int], go_back: list[int]
) -> None:
    shared = share(fee_lines(*lines), kept, whole)

    assert (of(shared.kept), of(shared.returned)) == (stay, go_back)


@given(some_lines, wholes, st.data())
def test_kept_and_returned_add_up_to_every_line(
    lines: list[Line], whole: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, whole))

    shared = share(lines, kept, whole)

    assert [a + b for a, b in zip(of(shared.kept), of(shared.returned), strict=True)] == of(
        tuple(lines)
    )
    assert min([0, *of(shared.kept), *of(shared.returned)]) == 0
    assert [(line.name, line.paid_by) for line in shared.kept] == [
        (line.name, line.paid_by) for line in lines
    ]
    for line, stays in zip(lines, of(shared.kept), strict=True):
        assert 0 <= line.amount_minor * kept - stays * whole < whole  # exact, less than a unit


@given(some_lines, wholes, st.data())
def test_the_order_of_the_lines_changes_nothing(
    lines: list[Line], whole: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, whole))
    order = data.draw(st.permutations(range(len(lines))))

    shuffled = share([lines[i] for i in order], kept, whole)

    shared = share(lines, kept, whole)
    assert of(shuffled.kept) == [of(shared.kept)[i] for i in order]


@given(some_lines, wholes, st.data())
def test_less_kept_never_costs_more(lines: list[Line], whole: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, whole))
    less = data.draw(st.integers(0, kept))

    fewer, more = of(share(lines, less, whole).kept), of(share(lines, kept, whole).kept)

    assert all(a <= b for a, b in zip(fewer, more, strict=True))


@given(st.lists(amounts, max_size=5), wholes, st.data())
def test_lines_within_the_price_stay_within_what_is_kept_of_it(
    minor: list[int], whole: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, whole))
    lines = fee_lines(*minor)
    price = max(whole, sum(minor))

    assert sum(of(share(lines, kept, price).kept)) <= kept


@pytest.mark.parametrize(("minor", "kept", "whole"), [(1, -1, 2), (1, 3, 2), (1, 0, 0), (-1, 1, 2)])
def test_nonsense_is_refused(minor: int, kept: int, whole: int) -> None:
    with pytest.raises(ValueError, match=r"above zero|less than zero"):
        share(fee_lines(minor), kept, whole)


# The tax on a fee is a line like the others.

TAXED = FeeTable(
    version="test", free_first_orders=0, rate_bps=800, repeat_after=9, repeat_rate_bps=400,
    cap_minor={"EUR": 5000}, share=FundShare(protection_fund_bps=1000), fee_tax_bps=1900,
)  # fmt: skip


@pytest.mark.parametrize(
    ("price", "amount", "fund", "tax", "house"),
    [
        (2999, 286, 24, 46, 216),  # 240 and 19 % of it
        (100_000, 5950, 500, 950, 4500),  # the cap is on the fee, the tax on top of it
        (1, 0, 0, 0, 0),
        (7, 1, 0, 0, 1),
    ],
)
def test_the_tax_comes_on_top_of_the_fee_and_belongs_to_nobody_else(
    price: int, amount: int, fund: int, tax: int, house: int
) -> None:
    fee = fees.at_sale(price, "EUR", seller_orders=0, pair_settled=0, table=TAXED)

    assert (fee.amount_minor, fee.fund_share_minor, fee.tax_minor) == (amount, fund, tax)
    assert fee.house_minor == house


@given(st.integers(1, 10**15) | st.integers(1, 99), st.integers(0, 10_000), st.data())
def test_fee_and_tax_of_any_part_are_within_the_part(
    price: int, tax_bps: int, data: st.DataObject
) -> None:
    rate = data.draw(st.integers(0, 10_000 * 10_000 // (10_000 + tax_bps)))
    table = FeeTable(
        version="t", free_first_orders=0, rate_bps=rate, repeat_after=1, repeat_rate_bps=0,
        cap_minor={}, share=FundShare(protection_fund_bps=data.draw(st.integers(0, 10_000))),
        fee_tax_bps=tax_bps,
    )  # fmt: skip
    part = data.draw(st.integers(0, price))
    whole = fees.at_sale(price, "EUR", seller_orders=0, pair_settled=0, table=table)

    fee = fees.on_part(whole, part, price)

    assert 0 <= whole.amount_minor <= price
    assert 0 <= fee.amount_minor <= min(part, whole.amount_minor)
    assert min(fee.house_minor, fee.fund_share_minor, fee.tax_minor) >= 0
    assert fees.on_part(whole, price, price) == whole


@given(wholes, st.data())
def test_parts_that_go_back_one_after_another_cost_what_one_part_does(
    price: int, data: st.DataObject
) -> None:
    """Orders keep what was frozen and what is left: how it came to be left does not matter."""
    fee = Fee(amount_minor=price // 3, fund_share_minor=price // 30, rate_bps=3333, reason="x",
              table_version="t", tax_minor=price // 50)  # fmt: skip
    left = data.draw(st.integers(0, price))

    at_once = fees.on_part(fee, left, price)

    steps = sorted(data.draw(st.lists(st.integers(left, price), max_size=4)), reverse=True)
    for now_left in steps:
        assert fees.on_part(fee, now_left, price).amount_minor >= at_once.amount_minor
    assert fees.on_part(fee, left, price) == at_once


@pytest.mark.parametrize(
    ("rate", "tax", "allowed"), [(5000, 10_000, True), (5001, 10_000, False), (10_000, 1, False)]
)
def test_a_table_of_more_than_the_price_is_refused(rate: int, tax: int, allowed: bool) -> None:
    given_table = msgspec.to_builtins(TAXED) | {"rate_bps": rate, "fee_tax_bps": tax}

    if allowed:
        assert msgspec.convert(given_table, FeeTable).rate_bps == rate
    else:
        with pytest.raises(msgspec.ValidationError, match="more than the price"):
            msgspec.convert(given_table, FeeTable)


def test_terms_from_before_the_tax_are_written_as_they_were() -> None:
    old = (
        b'{"amount_minor":240,"fund_share_minor":24,"rate_bps":800,"reason":"standard",'
        b'"table_version":"2026-11"}'
    )

    assert msgspec.json.encode(msgspec.json.decode(old, type=Fee)) == old


def test_fee_and_tax_that_both_round_up_do_not_take_more_than_the_price() -> None:
    half = msgspec.structs.replace(TAXED, rate_bps=5000, fee_tax_bps=10_000, repeat_rate_bps=0)

    fee = fees.at_sale(1, "EUR", seller_orders=0, pair_settled=0, table=half)

    assert (fee.amount_minor, fee.tax_minor, fee.house_minor) == (1, 0, 1)
