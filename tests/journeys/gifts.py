"""Money and hours between two people without a listing, brought to the point where a story begins.

The buyer is who gives: money, or hours; the seller is who is given to.
"""

from typing import Any

from tests.journeys.deals import Deal, rich
from tests.journeys.story import Member, Story

GIFT = 2000
MINUTES = 95
_BY_BUYER = ("fund", "abandon", "revoke", "cancel", "approve", "object")


async def opened(story: Story, amount_minor: int = GIFT) -> Deal:
    """A transfer that is not funded, of somebody whose money came by card."""
    giver, taker = await rich(story, "giver"), await story.person("taker")
    amount = {"amount_minor": amount_minor, "currency": "EUR"}
    body = {"to": taker.handle, "amount": amount, "note": "For the bicycle"}
    order = await giver.made("/v1/transfers", body)
    return Deal(taker, giver, order["id"], order)


async def at_a_code(story: Story, seller: Member | None = None) -> Deal:
    """A payment at a code that is not funded."""
    payer, seller = await rich(story, "payer"), seller or await story.person("seller")
    code = {"label": "Flat white", "currency": "EUR", "amount_minor": GIFT}
    made = await seller.made("/v1/pay-codes", code)
    order = await payer.made(f"/v1/pay-codes/{made['code']}/payments", {})
    return Deal(seller, payer, order["id"], order)


async def paid(story: Story, deal: Deal) -> Deal:
    """The same, funded with a confirmation."""
    token = await story.confirmation(deal.buyer, deal.order)
    deal.order = await deal.buyer.move(deal.id, "fund", confirmation=token)
    return deal


async def hours_after(story: Story, *moves: str, minutes: int = MINUTES, **more: Any) -> Deal:
    """Hours that somebody asked for, after these moves, each by whoever makes it."""
    asker, helper = await story.person("asker"), await story.person("helper")
    body = {"provider": helper.id, "minutes": minutes, "title": "Mend my bicycle", **more}
    order = await asker.made("/v1/time-credits", body)
    deal = Deal(helper, asker, order["id"], order)
    for name in moves:
        who = asker if name in _BY_BUYER else helper
        note = "The chain is new" if name in ("deliver", "object") else ""
        deal.order = await who.move(deal.id, name, note=note)
    return deal


async def minutes_of(deal: Deal) -> tuple[tuple[int, int], tuple[int, int]]:
    """(balance, held) of the hours of both."""
    found = [await who.get("/v1/time-credits/account") for who in (deal.buyer, deal.seller)]
    asker, helper = ((account["balance"], account["held"]) for account in found)
    return asker, helper
