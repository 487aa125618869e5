"""Rentals through HTTP: to every end, with every silence, and what both wallets have then.

Each story has an owner and a renter with 100.00 EUR, two days at 15.00 and a deposit of 50.00. The
first sales are free of fees.
"""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from handsel.foundation.core.ids import decode
from tests.factories.members import create_member
from tests.journeys import rentals
from tests.journeys.deals import DAY, HOUR, START, UNTOUCHED, Deal, heard, told
from tests.journeys.rentals import (
    AHEAD,
    CLAIM,
    DEPOSIT,
    HANDED_OVER,
    HOME,
    PRICE,
    RENT,
    go_on,
    make,
)
from tests.journeys.story import Member, Story

MINUTE = timedelta(minutes=1)
#: From the start to an hour beyond the grace.
LATE = 2 * DAY + 3 * HOUR
#: When both are held.
HELD = ((START - RENT - DEPOSIT, 0, RENT + DEPOSIT), (0, 0, 0))


def paid(captured: int = 0, rent: int = RENT) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """At the end: the owner has the rent and what was captured, the renter the rest."""
    return ((START - rent - captured, 0, 0), (rent + captured, 0, 0))


async def test_a_rental_that_goes_well(story: Story) -> None:
    deal = await rentals.reserved(story)
    held = await deal.wallets()
    await go_on(story, deal, *HANDED_OVER, DAY, "return_thing", "pass_inspection")
    waiting = await deal.wallets()
    await story.pass_time(14 * DAY)

    assert deal.order["amount"] == {"amount_minor": RENT, "currency": "EUR"}
    assert deal.order["terms"]["deposit_minor"] == DEPOSIT
    assert deal.order["terms"]["late_fee_minor"] == PRICE
    assert deal.order["terms"]["quantity"] == 2
    assert "30.00" in deal.order["promise"]
    assert "50.00" in deal.order["promise"]
    assert held == HELD
    assert waiting == ((START - RENT, 0, 0), (0, RENT, 0))
    assert (await deal.state(), await deal.wallets()) == ("settled", paid())
    assert (await deal.timeline())[1:] == [
        ("fund", "customer", {"escrow": RENT, "deposit": DEPOSIT}),
        ("accept", "provider", {}),
        ("hand_over", "provider", {}),
        ("return_thing", "customer", {}),
        ("pass_inspection", "provider", {"provider": RENT, "customer": DEPOSIT}),
        ("settle", "system", {"provider": RENT}),
    ]
    assert await told(deal.seller) == ["order_moved"] * 3
    await story.check()


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (("revoke",), "revoked"),
        (("decline",), "declined"),
        ((DAY,), "expired"),
        (("accept", "cancel"), "cancelled"),
        (("accept", "withdraw"), "cancelled"),
        # Nobody is paid for a hand-over that was not confirmed, whoever was silent.
        (("accept", AHEAD + DAY), "cancelled"),
        (
            ("accept", AHEAD + 20 * MINUTE, "report_absence", "contest_absence", 3 * DAY),
            "cancelled",
        ),
        (("accept", AHEAD + 20 * MINUTE, "report_absence", "withdraw"), "cancelled"),
    ],
)
async def test_all_goes_back(story: Story, steps: tuple[str | timedelta, ...], state: str) -> None:
    deal = await rentals.reserved(story)
    assert await deal.wallets() == HELD

    await go_on(story, deal, *steps)

    assert (await deal.state(), await deal.wallets()) == (state, UNTOUCHED)


@pytest.mark.parametrize("steps", [("abandon",), (15 * MINUTE,)], ids=["abandoned", "expired"])
async def test_what_is_not_paid_closes(story: Story, steps: tuple[str | timedelta, ...]) -> None:
    deal = await rentals.rented(story)

    await go_on(story, deal, *steps)

    assert (await deal.state(), await deal.wallets()) == ("payment_expired", UNTOUCHED)


#: Half of the rent, by the policy.
HALF = RENT // 2


@pytest.mark.parametrize(
    ("steps", "end", "wallets"),
    [
        # The renter goes, and says so too late, or does not come and does not answer.
        (("accept", 2 * DAY + HOUR, "cancel_late"), "closed", paid(rent=HALF)),
        (
            ("accept", AHEAD + 20 * MINUTE, "report_absence", DAY),
            "closed",
            paid(rent=HALF),
        ),
        # The owner says nothing about what came back, or is said to be back.
        ((*HOME, 2 * DAY), "settled", paid()),
        ((*HANDED_OVER, DAY, "declare_return", 2 * DAY), "settled", paid()),
        ((*HANDED_OVER, DAY, "confirm_return", "pass_inspection"), "settled", paid()),
        # The renter says nothing, or nobody does: it never comes back.
        ((*HANDED_OVER, LATE, 3 * DAY), "closed", paid(DEPOSIT)),
        # A claim: accepted, not answered, contested and left there, withdrawn.
        ((*HOME, "claim_damage", "accept_claim"), "settled", paid(CLAIM)),
        ((*HOME, "claim_damage", 3 * DAY), "settled", paid(CLAIM)),
        ((*HOME, "claim_damage", "contest_claim", 7 * DAY), "settled", paid()),
        ((*HOME, "claim_damage", "contest_claim", "withdraw_claim"), "settled", paid()),
        # Within the grace; one hour beyond a day: two started days; a declared return stops it.
        (
            (*HANDED_OVER, 2 * DAY + 2 * HOUR - MINUTE, "return_thing", 2 * DAY),
            "settled",
            paid(),
        ),
        (
            (*HANDED_OVER, LATE, 22 * HOUR, "return_thing", 2 * DAY),
            "settled",
            paid(2 * PRICE),
        ),
        (
            (*HANDED_OVER, LATE, "declare_return", 40 * HOUR, "confirm_return", 2 * DAY),
            "settled",
            paid(PRICE),
        ),
    ],
)  # fmt: skip
async def test_an_end_and_what_each_has(
    story: Story,
    steps: tuple[str | timedelta, ...],
    end: str,
    wallets: tuple[tuple[int, int, int], tuple[int, int, int]],
) -> None:
    deal = await rentals.reserved(story)

    await go_on(story, deal, *steps)
    await story.pass_time(14 * DAY)

    assert (await deal.state(), await deal.wallets()) == (end, wallets)
    moved = [line for _, _, lines in await deal.timeline() for line in lines]
    assert moved[:2] == ["escrow", "deposit"]
    back = [kind for kind in (await heard(story, deal))["buyer"] if kind.startswith("item_")]
    returned = "item_returned_late" if LATE in steps else "item_returned"
    lent = "hand_over" in steps
    assert back == ([] if not lent else ["item_unreturned" if end == "closed" else returned])


async def test_who_fetches_nothing_blames_no_owner(story: Story) -> None:
    deal = await rentals.reserved(story)

    await go_on(story, deal, "accept")
    await story.move_clock(AHEAD + 2 * HOUR)
    await make(deal, "cancel")
    await story.drain()

    neither = ["order_cancelled_by_other", "order_funded"]
    assert await heard(story, deal) == {"buyer": neither, "seller": neither}


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        # Its owner claims it all: nobody but the renter has said that it is back.
        (("claim_damage", "accept_claim"), []),
        (("pass_inspection",), [("item_returned_late", 3600)]),
        # A day later by itself: it was back when the renter said so.
        ((2 * DAY,), [("item_returned_late", 3600)]),
    ],
    ids=["claimed", "passed", "by-itself"],
)
async def test_the_renters_word_alone_returns_nothing(
    story: Story, steps: tuple[str | timedelta, ...], told: list[tuple[str, int]]
) -> None:
    deal = await rentals.handed_over(story)
    await go_on(story, deal, LATE)
    await story.move_clock(HOUR)
    await make(deal, "declare_return")
    await story.drain()

    declared = (await heard(story, deal))["buyer"]
    await go_on(story, deal, *steps)
    await story.drain()

    async with story.database.reading() as conn:
        back = await conn.fetch(
            "SELECT kind, value FROM people.facts WHERE order_id = $1 AND kind LIKE 'item%'",
            decode("ord", deal.id),
        )
    assert declared == ["order_funded"]
    assert [(row["kind"], row["value"] // 10 * 10) for row in back] == told


async def test_lateness_and_damage_together_are_no_more_than_the_deposit(story: Story) -> None:
    deal = await rentals.reserved(story)
    await go_on(story, deal, *HANDED_OVER, LATE, 2 * DAY, "return_thing")

    await make(deal, "claim_damage", amount_minor=1000)
    claimed = await deal.state(), await deal.wallets()
    await go_on(story, deal, "accept_claim", 14 * DAY)

    assert claimed == ("damage_claimed", HELD)
    # Three started days are 45.00, and with the damage 55.00.
    assert (await deal.state(), await deal.wallets()) == ("settled", paid(DEPOSIT))


async def test_refusals_move_nothing(story: Story) -> None:
    deal = await rentals.reserved(story)
    await go_on(story, deal, "accept")
    path = f"/v1/orders/{deal.id}/transitions"
    shown = {"name": "hand_over", "code": await rentals.code_of(deal, "hand_over")}
    days_before = await deal.seller.refused(path, shown, 409)
    assert days_before["code"] == "too_early_to_meet"
    await story.pass_time(AHEAD)
    absent = await deal.seller.refused(path, {"name": "hand_over", "code": "x"}, 409)
    assert (absent["code"], await deal.state()) == ("code_wrong", "accepted")
    await make(deal, "hand_over")
    before = await deal.wallets(), await deal.timeline()

    wrong = await deal.buyer.refused(path, {"name": "return_thing", "code": "x"}, 409)
    none = await deal.buyer.refused(path, {"name": "return_thing"}, 422)
    other = await deal.seller.refused(path, {"name": "return_thing"}, 403)
    early = await deal.seller.refused(path, {"name": "claim_damage", "amount_minor": 1}, 409)

    codes = [problem["type"].rsplit("/", 1)[-1] for problem in (wrong, none, other, early)]
    assert codes == ["code_wrong", "code_missing", "not_your_move", "transition_not_allowed"]
    assert (await deal.wallets(), await deal.timeline()) == before
    await make(deal, "return_thing")
    back = await deal.wallets(), await deal.timeline()
    large = {"name": "claim_damage", "note": "a scratch", "amount_minor": DEPOSIT + 1}
    too_large = await deal.seller.refused(path, large, 409)
    no_sum = await deal.seller.refused(path, {"name": "claim_damage", "note": "a scratch"}, 422)
    assert (too_large["deposit_minor"], no_sum["status"]) == (DEPOSIT, 422)
    assert (await deal.wallets(), await deal.timeline()) == back


async def test_without_a_deposit_nothing_can_be_claimed(story: Story) -> None:
    deal = await rentals.handed_over(story, deposit=0)
    held = await deal.wallets()
    await make(deal, "return_thing")

    claim = {"name": "claim_damage", "note": "a scratch", "amount_minor": 1}
    problem = await deal.seller.refused(f"/v1/orders/{deal.id}/transitions", claim, 409)
    await go_on(story, deal, "pass_inspection", 14 * DAY)

    assert held == ((START - RENT, 0, RENT), (0, 0, 0))
    assert problem["type"].endswith("no_deposit")
    assert (await deal.state(), await deal.wallets()) == ("settled", paid())


async def test_a_deposit_counts_against_the_limits(story: Story) -> None:
    # 60.00 an order is what the renter may pay.
    deal = await rentals.rented(story, deposit=6001)
    token = await story.confirmation(deal.buyer, deal.order)

    fund = {"name": "fund", "confirmation": token}
    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", fund, 403)

    assert problem["code"] == "over_limit"
    assert (await deal.state(), await deal.wallets()) == ("pending_payment", UNTOUCHED)
    assert await counted(story, deal) == []


@pytest.mark.parametrize(
    ("steps", "deposit"),
    [(("revoke",), "released"), ((*HOME, "claim_damage", "accept_claim", 14 * DAY), "settled")],
    ids=["back", "captured"],
)
async def test_what_a_deposit_counts_for(
    story: Story, steps: tuple[str | timedelta, ...], deposit: str
) -> None:
    deal = await rentals.reserved(story)
    held = await counted(story, deal)

    await go_on(story, deal, *steps)

    assert held == [(RENT, "reserved"), (DEPOSIT, "reserved")]
    assert await counted(story, deal) == [(RENT, deposit), (DEPOSIT, deposit)]


async def counted(story: Story, deal: Deal) -> list[tuple[int, str]]:
    """The renter's exposures: amount and state."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT amount_minor, state FROM people.exposures WHERE payer_id = $1"
            " ORDER BY amount_minor",
            decode("mem", deal.buyer.id),
        )
    return [(row["amount_minor"], row["state"]) for row in rows]


async def test_a_trusted_renter_leaves_no_deposit(story: Story, database_url: str) -> None:
    owner = await story.person("owner")
    made = await create_member(
        story.database, verified=("phone", "id_document", "bank_account", "address")
    )
    renter = Member(made.handle, made.public_id, made.token, story.http)
    superuser = await asyncpg.connect(database_url)
    await superuser.execute(
        "INSERT INTO people.standings (member_id, settled_orders, counterparties, first_settled_at)"
        " VALUES ($1, 50, 25, foundation.handsel_now() - interval '180 days')",
        made.id,
    )
    await superuser.close()
    listing = await rentals.thing(story, owner)

    order = await renter.made("/v1/rentals", await rentals.body_for(story, listing))

    assert order["terms"]["deposit_minor"] == 0
    assert order["terms"]["late_fee_minor"] == 0


async def test_what_is_not_for_rent(story: Story) -> None:
    owner, renter = await story.person("owner"), await story.person("renter")
    lesson = await story.listing(owner)
    drill = await rentals.thing(story, owner)
    job = await story.listing(owner, category="power-tools", unit="per_job")
    now = await story.now()
    good = await rentals.body_for(story, drill)
    long = {"ends_at": (now + 46 * DAY).isoformat()}

    refused = [
        (await who.refused("/v1/rentals", body, status))["type"].rsplit("/", 1)[-1]
        for who, body, status in (
            (renter, good | {"listing_id": lesson}, 409),
            (renter, good | {"listing_id": job}, 409),
            (owner, good, 409),
            (renter, good | {"ends_at": good["starts_at"]}, 422),
            (renter, good | {"starts_at": now.isoformat()}, 422),
            (renter, good | long, 422),
        )
    ]

    assert refused == [
        "not_rentable",
        "not_rentable",
        "own_listing",
        "end_before_start",
        "invalid_start",
        "rental_too_long",
    ]
    assert (await renter.get("/v1/orders"))["items"] == []


async def test_the_time_is_taken_until_it_is_free_again(story: Story) -> None:
    owner, renter, other = [await story.person(name) for name in ("owner", "renter", "other")]
    drill = await rentals.thing(story, owner)
    week = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(1, 8)]
    put = await owner.http.put(
        f"/v1/listings/{drill}/availability",
        json={"time_zone": "UTC", "weekly": week},
        headers={"Authorization": f"Bearer {owner.token}", "If-Match": '"0"'},
    )
    body = await rentals.body_for(story, drill)
    times = {name: body[name][:14] + "00:00Z" for name in ("starts_at", "ends_at")}

    first = await renter.made("/v1/rentals", body | times)
    gone = await other.refused("/v1/rentals", body | times, 409)
    await renter.move(first["id"], "abandon")
    second = await other.made("/v1/rentals", body | times)

    assert put.status_code == 200, put.text
    assert gone["type"].endswith("slot_gone")
    assert second["state"] == "pending_payment"


async def test_of_two_returns_at_once_one_counts(story: Story) -> None:
    deal = await rentals.handed_over(story)
    path = f"/v1/orders/{deal.id}/transitions"
    shown = await rentals.code_of(deal, "return")

    answers = await asyncio.gather(
        deal.buyer.post(path, {"name": "return_thing", "code": shown}),
        deal.seller.post(path, {"name": "confirm_return"}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    moves = [name for name, _, _ in await deal.timeline()]
    assert len({"return_thing", "confirm_return"} & set(moves)) == 1
    assert (await deal.state(), await deal.wallets()) == ("in_inspection", HELD)


async def test_a_claim_against_the_end_of_the_inspection(story: Story) -> None:
    deal = await rentals.reserved(story)
    await go_on(story, deal, *HOME)
    await story.move_clock(2 * DAY)
    claim = {"name": "claim_damage", "note": "a scratch", "amount_minor": CLAIM}

    late, _ = await asyncio.gather(
        deal.seller.post(f"/v1/orders/{deal.id}/transitions", claim),
        story.pass_time(timedelta(0)),
    )

    assert late.status_code == 409
    assert (await deal.state(), await deal.wallets()) == (
        "completed",
        ((START - RENT, 0, 0), (0, RENT, 0)),
    )


async def test_after_all_of_it_the_books_agree(story: Story) -> None:
    report = await story.check()

    assert {check.name for check in report.checks if check.name[:3] in ("L26", "L27")} == {
        "L26_bonds_agree_with_holds",
        "L27_bonds_end_with_their_order",
    }
