"""Rentals between two people, brought to the point where a story begins."""

from datetime import timedelta
from typing import Any

from tests.journeys.deals import DAY, Deal, rich
from tests.journeys.story import Story

PRICE, DEPOSIT = 1500, 5000
#: Two days are rented, so that is what is held beside the deposit; the renter has 10,000.
RENT = 2 * PRICE
CLAIM = 1200
#: When a rental begins.
AHEAD = 3 * DAY
BUYERS = (
    "cancel", "cancel_late", "revoke", "abandon", "return_thing", "declare_return", "accept_claim",
    "contest_claim", "contest_absence",
)  # fmt: skip


async def thing(story: Story, seller: Any, deposit: int = DEPOSIT, **more: Any) -> str:
    """A drill by the day."""
    body = {
        "title": "Hammer drill with bits",
        "category": "power-tools",
        "unit": "per_day",
        "deposit_minor": deposit,
        **more,
    }
    return await story.listing(seller, PRICE, **body)


async def rented(story: Story, deposit: int = DEPOSIT, **more: Any) -> Deal:
    """A rental of two days, three days from now, that nobody has paid yet."""
    seller, buyer = await story.person("owner"), await rich(story, "renter")
    listing = await thing(story, seller, deposit)
    order = await buyer.made("/v1/rentals", await body_for(story, listing, **more))
    return Deal(seller, buyer, order["id"], order)


async def body_for(story: Story, listing: str, **more: Any) -> dict[str, Any]:
    """What is posted for two days."""
    start = await story.now() + AHEAD
    times = {"starts_at": start.isoformat(), "ends_at": (start + 2 * DAY).isoformat()}
    return {"listing_id": listing, **times, **more}


async def reserved(story: Story, deposit: int = DEPOSIT) -> Deal:
    """A rental whose price and deposit are held."""
    deal = await rented(story, deposit)
    await pay(story, deal)
    return deal


async def pay(story: Story, deal: Deal) -> None:
    """Confirm and fund it."""
    token = await story.confirmation(deal.buyer, deal.order)
    deal.order = await deal.buyer.move(deal.id, "fund", confirmation=token)


async def code_of(deal: Deal, purpose: str) -> str:
    """What the side that holds the code shows."""
    holder = deal.buyer if purpose == "hand_over" else deal.seller
    codes = await holder.get(f"/v1/orders/{deal.id}/codes")
    return str(next(code["code"] for code in codes if code["purpose"] == purpose))


async def make(deal: Deal, name: str, **more: Any) -> Any:
    """A move by whoever makes it, with the code that it needs."""
    who = deal.buyer if name in BUYERS else deal.seller
    if name in ("hand_over", "return_thing"):
        more["code"] = await code_of(deal, "return" if name == "return_thing" else name)
    if name == "claim_damage":
        more.setdefault("amount_minor", CLAIM)
    return await who.move(deal.id, name, **{"note": "a note", **more})


async def go_on(story: Story, deal: Deal, *steps: str | timedelta) -> None:
    """Moves, and times that pass between them."""
    for step in steps:
        if isinstance(step, str):
            await make(deal, step)
        else:
            await story.pass_time(step)


#: From the reservation to the renter having it.
HANDED_OVER: tuple[str | timedelta, ...] = ("accept", AHEAD, "hand_over")


#: And to the thing being back in time.
HOME = (*HANDED_OVER, DAY, "return_thing")


async def handed_over(story: Story, deposit: int = DEPOSIT) -> Deal:
    """A rental that the renter has, at its start."""
    deal = await reserved(story, deposit)
    await go_on(story, deal, *HANDED_OVER)
    return deal
