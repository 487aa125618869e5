"""The statement: pages by the order in which the balance moved, and a CSV that is safe to open."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from handsel.foundation.core.money import plain
from handsel.foundation.db.uow import Database
from handsel.money.ledger import statement
from handsel.money.ledger.statement import text_cell
from tests.journeys.story import Member, Story
from tests.money.ledger.books import CLEARING, post, post_many, wallet

HEADER = [
    "id", "booked_at", "value_date", "code", "reference", "currency", "amount_minor", "amount",
    "balance_minor", "balance",
]  # fmt: skip


async def downloaded(member: Member, **params: Any) -> httpx.Response:
    return await member.http.get(
        "/v1/wallet/statement.csv",
        params=params,
        headers={"Authorization": f"Bearer {member.token}"},
    )


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_the_csv_tells_what_the_pages_tell(story: Story) -> None:
    member = await story.person()
    for amount in (100, 250, 375):
        await story.top_up(member, amount)
    pages = await member.get("/v1/wallet/statement", currency="EUR")

    answer = await downloaded(member, currency="EUR")

    header, *lines = rows(answer.text)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="statement-EUR.csv"'
    assert (header, answer.text.count("\r\n"), answer.text.count("\n")) == (HEADER, 4, 4)
    assert [line[6:] for line in lines] == [
        ["100", "1.00", "100", "1.00"],
        ["250", "2.50", "350", "3.50"],
        ["375", "3.75", "725", "7.25"],
    ]
    assert [[line[0], line[1], line[3], line[4]] for line in lines] == [
        [item["id"], item["booked_at"], item["code"], item["reference"]]
        for item in reversed(pages["items"])
    ]


async def test_the_csv_of_some_days_has_both_ends(story: Story) -> None:
    member = await story.person()
    days = []
    for amount in (100, 200, 300):
        await story.top_up(member, amount)
        days.append((await story.now()).date())
        await story.pass_time(timedelta(days=1))

    async def amounts(**params: str) -> list[str]:
        answer = await downloaded(member, currency="EUR", **params)
        return [line[6] for line in rows(answer.text)[1:]]

    first, second, third = (day.isoformat() for day in days)
    assert await amounts() == ["100", "200", "300"]
    assert await amounts(**{"from": second}) == ["200", "300"]
    assert await amounts(until=second) == ["100", "200"]
    assert await amounts(**{"from": second, "until": second}) == ["200"]
    assert await amounts(**{"from": third, "until": first}) == []


async def test_a_currency_without_lines_has_a_header(story: Story) -> None:
    member = await story.person()

    answer = await downloaded(member, currency="JPY")

    assert rows(answer.text) == [HEADER]


@pytest.mark.parametrize(
    ("params", "status"),
    [({}, 422), ({"currency": "eur"}, 422), ({"currency": "EUR", "from": "yesterday"}, 422)],
)
async def test_a_wrong_question_is_refused(
    story: Story, params: dict[str, str], status: int
) -> None:
    member = await story.person()

    answer = await downloaded(member, **params)

    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )


async def test_nobody_reads_it_without_a_session(story: Story) -> None:
    answer = await story.http.get("/v1/wallet/statement.csv", params={"currency": "EUR"})

    assert answer.status_code == 401


async def test_a_long_csv_comes_in_pieces_without_a_seam(database: Database) -> None:
    async with database.reading() as conn:
        account = await wallet(conn, "EUR")
        await post_many(conn, CLEARING, account, 999)
        await post(conn, account, await wallet(conn), 7)  # ends the first piece
        await post_many(conn, CLEARING, account, 1001)  # whose thousandth ends the second
    pieces = [
        piece
        async for piece in statement.as_csv(database, account, date.min, date.max, {"x": "ref"})
    ]

    lines = rows("".join(pieces))[1:]

    assert [len(rows(piece)) for piece in pieces] == [1, 1000, 1000, 1]
    assert [int(line[6]) for line in lines] == [*range(1, 1000), -7, *range(1, 1002)]
    assert lines[999][6:] == ["-7", "-0.07", "499493", "4994.93"]
    assert lines[-1][8:] == ["1000994", "10009.94"]


async def test_pages_follow_the_order_in_which_the_balance_moved(database: Database) -> None:
    async with database.reading() as conn:
        account, other = await wallet(conn), await wallet(conn)
        await post(conn, CLEARING, account, 500)
        for amount in (1, 2, 3):
            await post(conn, account, other, amount)
            await post(conn, other, account, amount)

        seen: list[int] = []
        cursor = None
        while True:
            page = await statement.page(conn, account, b"s" * 32, cursor, 2, {})
            seen += [line.balance_minor for line in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break

    assert seen == [500, 497, 500, 498, 500, 499, 500]


@pytest.mark.parametrize("nasty", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_is_no_formula(nasty: str) -> None:
    assert text_cell(nasty) == "'" + nasty


def test_a_harmless_text_stays_as_it_is() -> None:
    assert [text_cell(text) for text in ("", "top_up", "a=b", "1-2")] == [
        "",
        "top_up",
        "a=b",
        "1-2",
    ]


@pytest.mark.parametrize(
    ("minor", "places", "text"),
    [
        (0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (123456, 2, "1234.56"), (7, 0, "7"),
        (-70, 0, "-70"), (1, 3, "0.001"), (10**15, 2, "10000000000000.00"),
        (-(10**15) - 1, 4, "-100000000000.0001"),
        (2**53 + 1, 2, "90071992547409.93"),
    ],
)  # fmt: skip
def test_decimals_are_exact(minor: int, places: int, text: str) -> None:
    assert plain(minor, places) == text
