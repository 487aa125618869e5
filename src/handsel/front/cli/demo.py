"""``handsel demo``: the main job against a running service, told step by step with real figures.

Every member is made for this run, so it can be run again and again, and beside real use. It moves
the sandbox clock of that service, for everybody. Any answer that deviates ends it with status 1.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import httpx

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli.actors import Actor, Deviation, Stage, expect
from handsel.front.cli.supervisor import reachable

OLD_TOWN: Final = {"lat": 55.9486, "lon": -3.1999}
LESSON: Final = 2400
LARGE: Final = 9000  # above a T1 payer's limit of 60 euros, far below a T2 payer's
PURSE: Final = 20_000
_FIRST_HOLD: Final = timedelta(days=3, hours=1)
_TO_TIER_2: Final = timedelta(days=14)


def run_demo(settings: Settings, url: str) -> int:
    """Play every act; 0 if all went as it must, 1 if not."""
    base = url.rstrip("/") or f"http://{reachable(settings.host)}:{settings.port}"
    with httpx.Client(base_url=base, timeout=30, trust_env=bool(url)) as http:
        stage = Stage(http)
        try:
            stage.open()
            play(stage)
        except Deviation as deviation:
            stage.tell(f"DEVIATION: {deviation}")
            return 1
        except (KeyError, IndexError, TypeError, ValueError) as error:
            stage.tell(f"DEVIATION: an answer has another shape ({error!r})")
            return 1
        except httpx.TransportError as error:
            raise UserError(
                f"No service answers at {base} ({error}); start it with `handsel run`."
            ) from None
    return 0 if url else check_ledger(settings, stage)


def play(stage: Stage) -> None:
    """The whole story."""
    seller, buyer, trusted = stage.cast("sela"), stage.cast("bo", by_phone=True), stage.cast("tru")
    word = seller.handle.removeprefix("sela-")
    listing = list_lesson(stage, seller, f"Calculus {word}: derivatives made easy", LESSON)
    find(stage, buyer, word, listing)
    ask(stage, buyer, seller)
    order = fund_order(stage, buyer, listing, LESSON)
    finish(stage, seller, buyer, order)
    settle(stage, seller, buyer, order)
    show_credit(stage, seller)
    revoke(stage, buyer, listing)
    newcomer = stage.cast("newt")
    costly = list_lesson(stage, newcomer, f"A week of calculus {word}", LARGE)
    refuse_newcomer(stage, costly)
    fund_by_trusted(stage, trusted, costly)
    seller.post(f"/v1/listings/{listing}/end")
    newcomer.post(f"/v1/listings/{costly}/end")


def list_lesson(stage: Stage, seller: Actor, title: str, amount_minor: int) -> str:
    """Four fields, then public."""
    made = seller.post(
        "/v1/listings",
        {
            "title": title,
            "category": "school-tutoring",
            "price": {"amount_minor": amount_minor, "currency": "GBP"},
            "place": OLD_TOWN,
        },
        201,
    )
    seller.post(f"/v1/listings/{made['id']}/publish")
    stage.tell(f"{seller.handle} lists “{title}” for {pounds(amount_minor)} with four fields")
    return str(made["id"])


def find(stage: Stage, buyer: Actor, word: str, listing: str) -> None:
    """By text and place, without an account."""
    asked = {"q": f"calculus {word}", **OLD_TOWN, "radius_m": 3000, "sort": "distance"}

    def hit() -> dict[str, Any] | None:
        page = stage.get("/v1/search", asked)
        return next((h for h in page["hits"] if h["listing"] == listing), None)

    found = stage.wait("the listing in the search", hit)
    expect(found["distance_m"] <= 250, f"published {found['distance_m']} m away, more than a grid")
    stage.tell(
        f"{buyer.handle} searches “calculus” around the Old Town: found, {found['distance_m']} m "
        "away by its published point"
    )


def ask(stage: Stage, buyer: Actor, seller: Actor) -> None:
    """One conversation per pair, no matter who begins."""
    first = buyer.post("/v1/conversations", {"handle": seller.handle, "text": "Free on Monday?"})
    again = seller.post("/v1/conversations", {"handle": buyer.handle, "text": "Monday at six."})
    expect(first["id"] == again["id"], "the pair has two conversations")
    stage.tell(f"{buyer.handle} asks, {seller.handle} answers in the same conversation")


def fund_order(stage: Stage, buyer: Actor, listing: str, price: int) -> dict[str, Any]:
    """Order, a refusal without the second confirmation, then the hold."""
    buyer.top_up(PURSE)
    stage.tell(f"{buyer.handle} puts {pounds(PURSE)} into the wallet (sandbox token tok_ok)")
    order = buyer.post("/v1/orders", {"listing_id": listing}, 201)
    move = f"/v1/orders/{order['id']}/transitions"
    refused = buyer.refused(move, {"name": "fund"}, 403)
    expect(refused["code"] == "confirmation_required", f"refused by {refused['code']}")
    expect(buyer.wallet() == (PURSE, 0, 0), "a refused payment moved money")
    stage.tell(
        f"Paying without a second confirmation is refused ({refused['code']}); nothing moved"
    )
    funded = buyer.fund(order)
    expect(buyer.wallet() == (PURSE - price, 0, price), "the hold is not the price")
    stage.tell(f"Confirmed with the password: {pounds(price)} held, {pounds(PURSE - price)} left")
    stage.tell(f"  Promise: {funded['promise']}")
    return funded


def finish(stage: Stage, seller: Actor, buyer: Actor, order: dict[str, Any]) -> None:
    """Notice, accept, deliver, approve: the money waits out its hold period."""
    notice = stage.wait("the seller's notice", lambda: seller.notice("order_funded"))
    stage.tell(f"{seller.handle} is told: {notice['title']}")
    seller.move(order, "accept", "accepted")
    seller.move(order, "deliver", "delivered", note="Two hours on derivatives, with exercises")
    buyer.move(order, "approve", "completed")
    expect(seller.wallet() == (0, LESSON, 0), "the price is not pending")
    stage.tell(f"Accepted, delivered, approved: {pounds(LESSON)} pending, no fee on a first order")


def settle(stage: Stage, seller: Actor, buyer: Actor, order: dict[str, Any]) -> None:
    """The clock is moved past the hold; both review."""
    stage.advance(_FIRST_HOLD)
    stage.wait("the settlement", lambda: buyer.order(order)["state"] == "settled")
    expect(seller.wallet() == (LESSON, 0, 0), "the settled price is not available")
    stage.tell(f"Three days later: settled, {seller.handle} may spend {pounds(LESSON)}")
    for actor, text in ((buyer, "Clear and patient."), (seller, "Came prepared.")):
        seen = actor.get(f"/v1/orders/{order['id']}/reviews")["theirs"]
        expect(seen is None, "a review was shown before the other was written")
        actor.post("/v1/reviews", {"order_id": order["id"], "stars": 5, "text": text}, 201)
    seen = buyer.get(f"/v1/orders/{order['id']}/reviews")["theirs"]
    expect(seen["stars"] == 5, "both have written and the reviews are not shown")
    again = buyer.refused("/v1/reviews", {"order_id": order["id"], "stars": 1}, 409)
    stage.tell("Both review unseen, and read each other's five stars once both are written")
    stage.tell(f"A second review is refused ({again['code']})")


def show_credit(stage: Stage, seller: Actor) -> None:
    """One deal is no history, and the score says so."""
    credit = seller.get("/v1/credit")
    states = {credit[kind]["state"] for kind in ("financial", "social")}
    expect(states == {"building_history"}, f"one deal gives the scores {states}")
    stage.tell(f"{seller.handle}'s credit is building history: {credit['next_step']}")


def revoke(stage: Stage, buyer: Actor, listing: str) -> None:
    """Before acceptance the payer takes everything back."""
    before = buyer.wallet()
    order = buyer.fund(buyer.post("/v1/orders", {"listing_id": listing}, 201))
    buyer.move(order, "revoke", "revoked")
    expect(buyer.wallet() == before, "a revoked order cost something")
    stage.tell(f"A second order is funded and revoked: the wallet has {pounds(before[0])} again")


def refuse_newcomer(stage: Stage, listing: str) -> None:
    """Over the limit: reasons, and the shortest path to pass."""
    newcomer = stage.cast("nib")
    newcomer.top_up(PURSE)
    order = newcomer.post("/v1/orders", {"listing_id": listing}, 201)
    token = newcomer.confirm(order)
    move = f"/v1/orders/{order['id']}/transitions"
    refused = newcomer.refused(move, {"name": "fund", "confirmation": token}, 403)
    expect(refused["code"] == "over_limit", f"refused by {refused['code']}")
    expect(newcomer.wallet() == (PURSE, 0, 0), "a refused payment moved money")
    stage.tell(f"{newcomer.handle} (T1) may not fund {pounds(LARGE)}: {_codes(refused['reasons'])}")
    stage.tell(f"  The way to pass: {'; '.join(step['text'] for step in refused['path'])}")
    newcomer.post(move, {"name": "abandon"})


def fund_by_trusted(stage: Stage, trusted: Actor, listing: str) -> None:
    """Limits act in the risky direction only: the seller is a newcomer, the payer is not."""
    stage.advance(_TO_TIER_2)
    tier = trusted.get("/v1/trust")["tier"]
    expect(tier == "T2", f"after two weeks the trusted buyer is {tier}")
    trusted.top_up(PURSE)
    order = trusted.fund(trusted.post("/v1/orders", {"listing_id": listing}, 201))
    expect(trusted.wallet() == (PURSE - LARGE, 0, LARGE), "the hold is not the price")
    stage.tell(f"Two weeks later {trusted.handle} is {tier} and funds a newcomer's {pounds(LARGE)}")
    trusted.move(order, "revoke", "revoked")
    stage.tell(f"  … and takes it back within the hour: {pounds(trusted.wallet()[0])}")


def check_ledger(settings: Settings, stage: Stage) -> int:
    """The same invariants as ``handsel check``, on the same database."""
    import asyncio

    from handsel.foundation.db.pool import connect
    from handsel.front import invariants
    from handsel.front.cli.database import open_database

    async def ask_all(url: str) -> invariants.Report:
        conn = await connect(url)
        try:
            return await invariants.run(conn)
        finally:
            await conn.close()

    report = asyncio.run(ask_all(open_database(settings)))
    stage.tell(f"handsel check: {len(report.checks)} invariants, {report.violations} violations")
    return 1 if report.violations else 0


def pounds(amount_minor: int) -> str:
    """As a person reads it."""
    return f"£{amount_minor // 100}.{amount_minor % 100:02}"


def _codes(reasons: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{reason['code']} ({reason['text']})" for reason in reasons)
