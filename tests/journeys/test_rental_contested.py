"""Rentals that others decide about: a bank takes rent or deposit back, a dispute is ruled on.

As in ``test_rental``: two days at 15.00, a deposit of 50.00, a renter with 100.00 EUR.
"""

from datetime import timedelta

import pytest

from handsel.deals.orders import bonds
from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import TransitionInput
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.money.payments import sandbox_books
from tests.journeys import rentals
from tests.journeys.deals import DAY, HOUR, START, Deal, heard
from tests.journeys.rentals import AHEAD, CLAIM, DEPOSIT, HANDED_OVER, HOME, RENT, go_on, make
from tests.journeys.story import Story
from tests.journeys.test_chargebacks import decided, dispute


async def with_two_cards(story: Story) -> Deal:
    """A rental that the renter has, the rent from one top-up and the deposit from another."""
    owner, renter = await story.person("owner"), await story.person("renter")
    await story.top_up(renter, RENT)
    await story.top_up(renter, DEPOSIT)
    listing = await rentals.thing(story, owner)
    order = await renter.made("/v1/rentals", await rentals.body_for(story, listing))
    deal = Deal(owner, renter, order["id"], order)
    await rentals.pay(story, deal)
    await go_on(story, deal, *HANDED_OVER)
    return deal


async def dispute_rent(story: Story, deal: Deal) -> str:
    """The renter's bank takes the older top-up back."""
    async with story.database.transaction() as tx:
        charge = await tx.fetchval(
            "SELECT provider_reference FROM money.top_ups WHERE member_id = $1 ORDER BY id LIMIT 1",
            decode("mem", deal.buyer.id),
        )
        reference = await sandbox_books.open_dispute(tx, charge, RENT, "fraudulent", tx.now)
    await story.drain()
    return reference


async def test_a_bank_takes_the_deposit_and_the_rental_goes_on(story: Story) -> None:
    deal = await with_two_cards(story)
    word = await dispute(story, deal, DEPOSIT)
    await make(deal, "return_thing")
    await make(deal, "claim_damage")

    refused = await deal.buyer.post(f"/v1/orders/{deal.id}/transitions", {"name": "accept_claim"})
    await decided(story, word, "lost")
    after = await deal.state(), await deal.wallets()
    await go_on(story, deal, "accept_claim", 14 * DAY)

    assert refused.json()["type"].endswith("payment_disputed")
    assert after == ("damage_claimed", ((0, 0, RENT), (0, 0, 0)))
    assert (await deal.state(), await deal.wallets()) == ("settled", ((0, 0, 0), (RENT, 0, 0)))
    await story.check()


async def test_a_bank_takes_the_rent_while_the_thing_is_out(story: Story) -> None:
    deal = await with_two_cards(story)
    word = await dispute_rent(story, deal)

    await decided(story, word, "lost")
    lost = await deal.state(), await deal.wallets()
    await story.pass_time(14 * DAY)

    # The owner keeps the deposit for what is out; the rent went back, and to the bank.
    assert lost == ("unreturned", ((0, 0, 0), (0, DEPOSIT, 0)))
    assert (await deal.state(), await deal.wallets()) == ("closed", ((0, 0, 0), (DEPOSIT, 0, 0)))
    await story.check()


async def test_a_bank_takes_rent_and_deposit(story: Story) -> None:
    deal = await rentals.reserved(story)
    word = await dispute(story, deal)
    await story.pass_time(DAY)
    expired = await deal.state(), await deal.wallets()
    other = await rentals.handed_over(story)
    again = await dispute(story, other)

    await decided(story, word, "lost")
    await decided(story, again, "lost")

    # What goes back in time is set aside; what was out is over, and no bank is paid twice.
    assert expired == ("expired", ((0, 0, 0), (0, 0, 0)))
    assert (await other.state(), await other.wallets()) == ("unreturned", ((0, 0, 0), (0, 0, 0)))
    # Of both parts one fact, of both amounts; and the thing is still out.
    assert await heard(story, other) == {
        "buyer": ["chargeback", "chargeback_lost", "item_unreturned", "order_funded"],
        "seller": ["order_cancelled_by_other", "order_funded"],
    }
    async with story.database.reading() as conn:
        taken = await conn.fetch(
            "SELECT amount_minor FROM people.facts WHERE order_id = $1 AND kind LIKE 'charge%'",
            decode("ord", other.id),
        )
    assert [row["amount_minor"] for row in taken] == [RENT + DEPOSIT] * 2
    await story.check()


async def test_a_bank_takes_the_rent_that_waits(story: Story) -> None:
    deal = await with_two_cards(story)
    await go_on(story, deal, "return_thing", "claim_damage", "accept_claim")
    waiting = await deal.wallets()
    word = await dispute_rent(story, deal)

    await decided(story, word, "lost")

    assert waiting == ((DEPOSIT - CLAIM, 0, 0), (0, RENT + CLAIM, 0))
    # What was captured is settled at once: nothing else will come of this order.
    assert await deal.state() == "charged_back"
    assert await deal.wallets() == ((DEPOSIT - CLAIM, 0, 0), (CLAIM, 0, 0))
    await story.check()


async def happens(story: Story, deal: Deal, event: str, customer_minor: int | None = None) -> bool:
    """What a dispute does to the order."""
    order_id = decode("ord", deal.id)
    said = TransitionInput(name="rule", customer_minor=customer_minor)

    async def move(tx: Tx) -> bool:
        if customer_minor is not None:
            shares = await bonds.amounts(tx.conn, order_id)
            bonds.rule(tx, dict.fromkeys(shares, RULED))
            await tx.flush()
        return await orders.system_move(tx, order_id, on=event, data=said)

    return await story.database.run(move)


async def settled_wallets(story: Story, deal: Deal) -> list[int]:
    """Of renter and owner; a session does not live as long as a dispute."""
    async with story.database.reading() as conn:
        return [
            await conn.fetchval(
                "SELECT coalesce(sum(balance), 0)::bigint FROM money.accounts"
                " WHERE kind = 'wallet' AND owner_id = $1",
                decode("mem", member.id),
            )
            for member in (deal.buyer, deal.seller)
        ]


RULED = 700


@pytest.mark.parametrize(
    ("steps", "event", "back", "after", "end", "owner"),
    [
        (
            (*HOME, "claim_damage"),
            "dispute.resolved",
            1000,
            "shared",
            "closed",
            RENT - 1000 + RULED,
        ),
        (
            (*HOME, "claim_damage", "contest_claim"),
            "dispute.withdrawn",
            None,
            "contested",
            "settled",
            RENT,
        ),
        (("accept", AHEAD + HOUR), "dispute.withdrawn", None, "accepted", "cancelled", 0),
        ((*HOME, "claim_damage"), "", None, "disputed", "closed", RENT),
        (
            ("accept", AHEAD + HOUR, "report_absence", "contest_absence"),
            "",
            None,
            "disputed_absence",
            "cancelled",
            0,
        ),
        (
            ("accept", AHEAD + HOUR, "report_absence"),
            "dispute.withdrawn",
            None,
            "absence_contested",
            "cancelled",
            0,
        ),
        (("accept", AHEAD + HOUR), "dispute.dropped", None, "accepted", "cancelled", 0),
        ((*HOME, "claim_damage"), "dispute.dropped", None, "contested", "settled", RENT),
        (
            ("accept", AHEAD + HOUR, "report_absence"),
            "dispute.dropped",
            None,
            "absence_contested",
            "cancelled",
            0,
        ),
    ],
    ids=[
        "ruled",
        "withdrawn",
        "withdrawn before",
        "nobody decides",
        "nobody decides before",
        "withdrawn after an absence",
        "dropped before",
        "dropped",
        "dropped after an absence",
    ],
)
async def test_a_dispute(
    story: Story,
    steps: tuple[str | timedelta, ...],
    event: str,
    back: int | None,
    after: str,
    end: str,
    owner: int,
) -> None:
    deal = await rentals.reserved(story)
    await go_on(story, deal, *steps)

    opened = await happens(story, deal, "dispute.opened")
    moved = bool(event) and await happens(story, deal, event, back)
    stands = await deal.state()
    for days in (10, 21, 14):
        await story.pass_time(days * DAY)

    assert (opened, moved, stands) == (True, bool(event), after)
    assert await settled_wallets(story, deal) == [START - owner, owner]
    async with story.database.reading() as conn:
        order = await conn.fetchval(
            "SELECT state FROM deals.orders WHERE id = $1", decode("ord", deal.id)
        )
    assert order == end
