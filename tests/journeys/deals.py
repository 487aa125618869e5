"""Deals between two people, brought to the point where a story begins."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handsel.foundation.core.ids import decode
from tests.journeys.story import Member, Story

PRICE = 2999
START = 10_000
#: What the whole house holds back for itself on the fourth sale of a seller: 8 %, a tenth of it
#: for the protection fund.
FEE, FUND = 216, 24

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Deal:
    """Two people and an order between them."""

    seller: Member
    buyer: Member
    id: str
    order: dict[str, Any]

    async def state(self) -> str:
        read: dict[str, Any] = await self.buyer.get(f"/v1/orders/{self.id}")
        return str(read["state"])

    async def wallets(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """(available, pending, held) of buyer and seller."""
        return await self.buyer.available(), await self.seller.available()

    async def timeline(self) -> list[tuple[str, str, dict[str, int]]]:
        """(transition, by whom, what money went where), oldest first."""
        read = await self.buyer.get(f"/v1/orders/{self.id}/timeline")
        return [
            (m["transition"], m["by"], {line["to"]: line["amount_minor"] for line in m["money"]})
            for m in read["items"]
        ]


async def heard(story: Story, deal: Deal) -> dict[str, list[str]]:
    """What the scores have heard of buyer and seller by an order, by name."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT role, kind FROM people.facts WHERE order_id = $1 ORDER BY kind",
            decode("ord", deal.id),
        )
    return {role: [r["kind"] for r in rows if r["role"] == role] for role in ("buyer", "seller")}


async def told(member: Member) -> list[str]:
    """The kinds of a member's notices about orders, oldest first."""
    page = await member.get("/v1/notices", limit=200)
    kinds = [item["kind"] for item in reversed(page["items"])]
    return [kind for kind in kinds if kind not in ("message_received", "deadline_near")]


async def body_of(member: Member, kind: str) -> str:
    """The text of the newest notice of a kind."""
    page = await member.get("/v1/notices", limit=200)
    return str(next(item["body"] for item in page["items"] if item["kind"] == kind))


async def house(story: Story) -> tuple[int, int]:
    """(fees, protection fund) of the house in EUR."""
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT money.folded_balance(id) FROM money.accounts"
            "         WHERE kind = 'fee' AND unit = 'EUR'),"
            "       (SELECT money.folded_balance(id) FROM money.accounts"
            "         WHERE kind = 'protection_fund' AND unit = 'EUR')"
        )
    assert row is not None
    return row[0], row[1]


async def rich(story: Story, name: str = "buyer") -> Member:
    buyer = await story.person(name)
    await story.top_up(buyer, START)
    return buyer


async def placed(story: Story, price: int = PRICE, **more: Any) -> Deal:
    """An order that nobody has paid yet."""
    seller, buyer = await story.person("seller"), await rich(story)
    listing = await story.listing(seller, price)
    order = await buyer.made("/v1/orders", {"listing_id": listing, **more})
    return Deal(seller, buyer, order["id"], order)


BUYERS = ("object", "approve", "cancel", "cancel_late", "revoke")


async def funded(story: Story, price: int = PRICE, **more: Any) -> Deal:
    """An order whose money is held."""
    deal = await placed(story, price, **more)
    token = await story.confirmation(deal.buyer, deal.order)
    deal.order = await deal.buyer.move(deal.id, "fund", confirmation=token)
    return deal


async def brought_to(story: Story, *moves: str, **more: Any) -> Deal:
    """A funded order after these moves, each by whoever makes it."""
    deal = await funded(story, **more)
    for name in moves:
        who = deal.buyer if name in BUYERS else deal.seller
        note = "Two hours on derivatives" if name in ("deliver", "object") else ""
        await who.move(deal.id, name, note=note)
    return deal


async def experienced(story: Story) -> tuple[Member, str]:
    """A seller with three sales behind them, whose next order pays a fee, and the listing."""
    seller = await story.person("seller")
    listing = await story.listing(seller, PRICE)
    for _ in range(3):
        await story.funded(await rich(story), listing)
    return seller, listing


async def fourth(story: Story, *moves: str, **more: Any) -> Deal:
    """The fourth order of a seller, from a fourth buyer, after these moves."""
    seller, listing = await experienced(story)
    buyer = await rich(story)
    order = await buyer.made("/v1/orders", {"listing_id": listing, **more})
    token = await story.confirmation(buyer, order)
    deal = Deal(seller, buyer, order["id"], await buyer.move(order["id"], "fund",
                                                             confirmation=token))  # fmt: skip
    for name in moves:
        who = buyer if name in BUYERS else seller
        await who.move(deal.id, name, note="Two hours on derivatives")
    return deal


INITIATE = ("initiate", "customer", {})
FUND_MOVE = ("fund", "customer", {"escrow": PRICE})
ACCEPT = ("accept", "provider", {})
DELIVER = ("deliver", "provider", {})
OBJECT = ("object", "customer", {})
#: What funding leaves behind, and what an order that gave everything back does.
HELD = ((START - PRICE, 0, PRICE), (0, 0, 0))
UNTOUCHED = ((START, 0, 0), (0, 0, 0))
