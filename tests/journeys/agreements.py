"""Jobs that two people agree on, brought to the point where a story begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.journeys.deals import rich
from tests.journeys.story import Member, Story

DAY = timedelta(days=1)
FIRST, SECOND = 2000, 1001
TOTAL = FIRST + SECOND


@dataclass
class Job:
    """Two people, the order that frames their job, and when it was asked for."""

    seller: Member
    buyer: Member
    id: str
    asked_at: datetime

    async def state(self) -> str:
        read: dict[str, Any] = await self.buyer.get(f"/v1/orders/{self.id}")
        return str(read["state"])

    async def parts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.buyer.get(f"/v1/orders/{self.id}/parts"))["items"]
        return found

    async def states(self) -> list[str]:
        """Of the parts."""
        return [part["state"] for part in await self.parts()]

    async def offer(self, by: Member, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = await by.made(
            f"/v1/orders/{self.id}/offers", offer_body(self.asked_at, **more)
        )
        return made

    async def fund(self, story: Story, part: dict[str, Any]) -> None:
        token = await story.confirmation(self.buyer, part)
        await self.buyer.move(part["id"], "fund", confirmation=token)

    async def delivered(self, story: Story, part: dict[str, Any]) -> None:
        await self.fund(story, part)
        await self.seller.move(part["id"], "deliver", note="Hung and levelled")


def offer_body(now: datetime, first: int = FIRST, second: int = SECOND, **more: Any) -> Any:
    """Two lines, the same sum in two milestones a week and two weeks from now."""
    return {
        "lines": [
            {"title": "Doors", "amount_minor": first},
            {"title": "Handles", "amount_minor": second},
        ],
        "milestones": [
            {"title": "Half", "amount_minor": first, "due_at": (now + 7 * DAY).isoformat()},
            {"title": "Rest", "amount_minor": second, "due_at": (now + 14 * DAY).isoformat()},
        ],
        **more,
    }


async def asked(story: Story) -> Job:
    """A quote that nobody has answered."""
    seller, buyer = await story.person("seller"), await rich(story)
    listing = await story.listing(seller, price=None)
    body = {"listing_id": listing, "wish": "Four doors, to be hung", "currency": "EUR"}
    order = await buyer.made("/v1/quotes", body)
    return Job(seller, buyer, order["id"], await story.now())


async def agreed(story: Story) -> Job:
    """A job of two milestones; none is paid for."""
    job = await asked(story)
    made = await job.offer(job.seller)
    await job.buyer.made(f"/v1/orders/{job.id}/agreement", {"terms_hash": made["terms_hash"]})
    return job
