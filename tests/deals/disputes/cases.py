"""Disputes, brought to the point where a test begins."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.people.members import service as members
from handsel.people.members.schemas import SessionOpened
from tests.journeys.deals import PRICE, Deal, brought_to, fourth
from tests.journeys.story import Member, Story

DISPUTES, DESK = "/v1/disputes", "/v1/desk/disputes"
DELIVERED = ("accept", "deliver")
SOLD = ("accept", "deliver", "approve")


def text(words: str = "") -> dict[str, Any]:
    """A piece of evidence that nobody has shown before."""
    return {"kind": "text", "text": words or f"It happened like this: {uuid4().hex}"}


def split(customer_minor: int, of: int = PRICE, **more: Any) -> dict[str, Any]:
    return {"customer_minor": customer_minor, "provider_minor": of - customer_minor, **more}


def claim(customer_minor: int = PRICE, of: int = PRICE, **more: Any) -> dict[str, Any]:
    """A claim of the customer's."""
    return {
        "reason_code": "quality",
        "statement": "Half of it was missing",
        "request": split(customer_minor, of),
        "evidence": [text()],
        **more,
    }


def ruling(customer_minor: int, fault: str = "respondent", **more: Any) -> dict[str, Any]:
    return {
        "split": split(customer_minor),
        "reason_code": "quality",
        "fault": fault,
        **more,
    }


@dataclass
class Case:
    """A dispute about a deal. The buyer is the claimant unless a test says otherwise."""

    story: Story
    deal: Deal
    id: str
    staff: Member | None = None

    @property
    def claimant(self) -> Member:
        return self.deal.buyer

    @property
    def respondent(self) -> Member:
        return self.deal.seller

    async def judge(self) -> Member:
        if self.staff is None:
            self.staff = await staff(self.story)
        return self.staff

    async def read(self) -> Any:
        return await self.claimant.get(f"{DISPUTES}/{self.id}")

    async def state(self) -> tuple[str, str]:
        """Of the dispute and of the order."""
        return (await self.read())["state"], await self.deal.state()

    async def move(self, who: Member, name: str, **more: Any) -> Any:
        return await who.made(f"{DISPUTES}/{self.id}/moves", {"name": name, **more})

    async def standing(self) -> str:
        """The id of the offer that stands."""
        return str((await self.read())["offers"][-1]["id"])

    async def accept(self, who: Member) -> Any:
        """Accept what stands."""
        return await self.move(who, "accept", offer=await self.standing())

    async def refused(self, who: Member, name: str, status: int, **more: Any) -> str:
        path = f"{DISPUTES}/{self.id}/moves"
        problem = await who.refused(path, {"name": name, **more}, status)
        return str(problem["code"])

    async def judged(self, name: str, by: Member | None = None, **more: Any) -> Any:
        who = by or await self.judge()
        return await who.made(f"{DESK}/{self.id}/moves", {"name": name, "note": "Because", **more})

    async def misjudged(self, name: str, status: int, by: Member | None = None, **more: Any) -> str:
        who = by or await self.judge()
        body = {"name": name, "note": "Because", **more}
        problem = await who.refused(f"{DESK}/{self.id}/moves", body, status)
        return str(problem["code"])

    async def show(self, who: Member, **more: Any) -> Any:
        return await who.made(f"{DISPUTES}/{self.id}/evidence", text() | more)

    async def names(self) -> list[tuple[str, str]]:
        """(what, by whom) of the timeline, oldest first."""
        read = await self.claimant.get(f"{DISPUTES}/{self.id}/timeline")
        return [(line["transition"], line["by"]) for line in read["items"]]

    async def come_back(self) -> None:
        """Both log in again: thirty days are longer than a session."""
        for member in (self.claimant, self.respondent):
            who = decode("mem", member.id)
            opened = await self.story.database.run(partial(_session, who))
            member.token = opened.token

    async def in_mediation(self) -> "Case":
        await self.move(self.respondent, "answer", note="All of it was there")
        await self.move(self.claimant, "escalate", note="We do not agree")
        return self

    async def in_arbitration(self) -> "Case":
        await self.in_mediation()
        await self.judged("refer")
        return self


async def _session(member_id: UUID, tx: Tx) -> SessionOpened:
    return await members.open_session(tx, member_id)


async def staff(story: Story) -> Member:
    """Somebody who may judge."""
    member = await story.person("staff")
    async with story.database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute(
            "UPDATE people.members SET is_staff = true WHERE id = $1", decode("mem", member.id)
        )
        await conn.execute("RESET ROLE")
    return member


async def opened(deal: Deal, story: Story, **more: Any) -> Case:
    """A dispute that the buyer of a deal opens."""
    made = await deal.buyer.made(f"/v1/orders/{deal.id}/disputes", claim(**more))
    return Case(story, deal, made["id"])


async def claimed_by_the_seller(story: Story, *moves: str) -> Case:
    """A dispute that the seller opens, who wants everything."""
    deal = await brought_to(story, *moves)
    made = await deal.seller.made(f"/v1/orders/{deal.id}/disputes", claim(0))
    return Case(story, deal, made["id"])


async def disputed(story: Story, *moves: str, **more: Any) -> Case:
    """A dispute about an order after these moves; about a delivered one without any."""
    return await opened(await brought_to(story, *(moves or DELIVERED)), story, **more)


async def with_fee(story: Story, *moves: str) -> Deal:
    """An order on which the seller pays a fee."""
    return await fourth(story, *(moves or DELIVERED))


async def everything(conn: asyncpg.Connection, case: Case) -> list[Any]:
    """What a refusal must leave as it was: rows, timers, timeline, money."""
    dispute, order = decode("dsp", case.id), decode("ord", case.deal.id)
    rows: list[Any] = []
    for sql, key in (
        ("SELECT * FROM deals.disputes WHERE id = $1", dispute),
        ("SELECT * FROM deals.dispute_timers WHERE dispute_id = $1 ORDER BY 2", dispute),
        ("SELECT * FROM deals.dispute_moves WHERE dispute_id = $1 ORDER BY seq", dispute),
        ("SELECT * FROM deals.dispute_offers WHERE dispute_id = $1 ORDER BY id", dispute),
        ("SELECT * FROM deals.dispute_evidence WHERE dispute_id = $1 ORDER BY id", dispute),
        ("SELECT * FROM deals.orders WHERE id = $1", order),
        ("SELECT * FROM money.holds WHERE id = $1", order),
        ("SELECT * FROM money.transfers WHERE reference_id = $1 ORDER BY seq", order),
    ):
        rows += [dict(row) for row in await conn.fetch(sql, key)]
    return rows


async def snapshot(case: Case) -> list[Any]:
    async with case.story.database.reading() as conn:
        return await everything(conn, case)
