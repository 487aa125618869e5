"""docs/money.md says what the ledger does: its chart and its worked order are asked for here."""

from datetime import timedelta
from pathlib import Path

from handsel.foundation.core.ids import decode
from tests.factories.members import PASSWORD
from tests.journeys.deals import DAY, experienced, rich
from tests.journeys.story import Story

_PAGE = Path(__file__).parents[2] / "docs" / "money.md"
_LINES = """
SELECT t.code, t.amount, d.kind AS debit, d.owner_id AS debit_owner, c.kind AS credit,
       c.owner_id AS credit_owner
  FROM money.transfers t JOIN money.accounts d ON d.id = t.debit_account
  JOIN money.accounts c ON c.id = t.credit_account
 WHERE d.owner_id = ANY ($1) OR c.owner_id = ANY ($1) OR t.reference_id = $2 ORDER BY t.seq
"""
_STEPS = {
    "top_up": "Ben tops up",
    "hold": "Ben funds the order",
    "partial_refund": "Ada gives a part back",
    "release": "Ben approves",
    "settle": "the hold period is over",
    "withdraw": "Ada withdraws",
    "payout": "her bank has it",
}


def table(first_column: str) -> list[str]:
    """The rows of the page's table that begins with this column."""
    lines = _PAGE.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


async def test_the_page_has_the_chart_of_accounts(story: Story) -> None:
    async with story.database.reading() as conn:
        kinds = await conn.fetch("SELECT * FROM money.account_kinds ORDER BY owner, kind")

    found = [
        f"| `{k['kind']}` | {k['normal_side']} |"
        f" {'an order' if k['owner'] == 'order' else k['owner']}{', folded' if k['folded'] else ''}"
        f" | {k['meaning']} |"
        for k in kinds
    ]

    assert table("kind") == found, "\n".join(found)


async def test_the_page_has_the_worked_order_to_the_cent(story: Story) -> None:
    ada, listing = await experienced(story)
    ben = await rich(story)
    order = await ben.made("/v1/orders", {"listing_id": listing})
    token = await story.confirmation(ben, order)
    await ben.move(order["id"], "fund", confirmation=token)
    await ada.move(order["id"], "accept")
    await ada.move(order["id"], "refund_part", amount_minor=500)
    await ada.move(order["id"], "deliver", note="An hour, less than agreed")
    await ben.move(order["id"], "approve")
    await story.pass_time(14 * DAY + timedelta(minutes=1))
    await story.move_clock(DAY)  # of a first sale, half may leave on its day
    method = {"token": "bank_ok", "label": "My bank", "password": PASSWORD}
    bank = await ada.made("/v1/payout-methods", method)
    amount = {"amount_minor": 2300, "currency": "EUR"}
    await ada.made("/v1/wallet/withdrawals", {"amount": amount, "payout_method": bank["id"]})
    await story.drain()

    order_id, buyer, seller = (
        decode("ord", order["id"]),
        decode("mem", ben.id),
        decode("mem", ada.id),
    )
    names = {order_id: "the order's ", buyer: "Ben's ", seller: "Ada's "}
    async with story.database.reading() as conn:
        withdrawal = await conn.fetchval(
            "SELECT id FROM money.withdrawals WHERE member_id = $1", seller
        )
        lines = await conn.fetch(_LINES, [buyer, order_id, seller], withdrawal)
    found = [
        f"| {_STEPS.get(line['code'], '')} | {names.get(line['debit_owner'], '')}`{line['debit']}`"
        f" | {names.get(line['credit_owner'], '')}`{line['credit']}`"
        f" | {line['amount'] // 100}.{line['amount'] % 100:02} | `{line['code']}` |"
        for line in lines
    ]

    assert table("step") == found, "\n".join(found)
    assert await ben.available() == (7501, 0, 0)
    await story.check()
