"""Card numbers are recognised wherever they hide, and nothing else is taken for one."""

import pytest

from handsel.foundation.core.cards import body_holds_card_number, holds_card_number

VISA, AMEX, LONG = "4242424242424242", "378282246310005", "4000 0000 0000 0000 006"


@pytest.mark.parametrize(
    "text",
    [VISA, AMEX, LONG, "4242 4242 4242 4242", "4242-4242-4242-4242", f"my card: {VISA}.",
     f"({VISA})", "tok 5555555555554444", "30569309025904", "pay\n4242424242424242\nnow"],
)  # fmt: skip
def test_a_card_number_is_found(text: str) -> None:
    assert holds_card_number(text)
    assert body_holds_card_number(b'{"a": [{"b": "%s"}]}' % text.replace("\n", "\\n").encode())


@pytest.mark.parametrize(
    "text",
    ["4242424242424241", "+4242424242424242", "DE89 3704 0044 0532 0130 00", "978-3-16-148410-0",
     "ord_4242424242424242", "4242424242424242abc", "0000000000000000", "1700000000000",
     "01a20154-7ae0-7000-8000-000000000000", "call 030 1234567", "+49 151 23456789012", ""],
)  # fmt: skip
def test_what_is_none_passes(text: str) -> None:
    assert not holds_card_number(text)


def test_a_number_that_is_no_text_is_an_amount() -> None:
    assert not body_holds_card_number(b'{"amount_minor": 4242424242424242}')
    assert body_holds_card_number(b'{"4242424242424242": 1}')
    assert not body_holds_card_number(b'{"broken": "4242424242424242')
