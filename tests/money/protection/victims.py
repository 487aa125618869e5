"""Members who lost money, a fund that can make it good, and what became of both."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.people.members import service as members
from tests.factories.members import PASSWORD
from tests.journeys.story import Member, Story
from tests.money.payments.purses import earn, euros, id_of, method, withdraw

CLAIMS = "/v1/claims"
NEW_PASSWORD = "another long enough secret"


async def reachable(story: Story) -> Member:
    """A member with a verified address."""
    member = await story.person("victim")

    async def prove(tx: Tx) -> None:
        await tx.execute(
            "UPDATE people.members SET email = handle || '@example.com' WHERE id = $1",
            id_of(member),
        )
        await tx.execute(
            "INSERT INTO people.verifications (member_id, kind, state, created_at, passed_at)"
            " VALUES ($1, 'email', 'passed', $2, $2)",
            id_of(member),
            tx.now,
        )

    await story.database.run(prove)
    return member


async def robbed(story: Story, amount_minor: int = 4000) -> tuple[Member, str]:
    """A member and a withdrawal that is with the bank of somebody else by now."""
    victim = await reachable(story)
    await earn(story, victim, amount_minor)
    bank = await method(victim)
    taken = await withdraw(victim, bank, amount_minor)
    await story.drain()
    return victim, str(taken["id"])


async def fill(story: Story, amount_minor: int) -> None:
    """Money of fees, in the protection fund."""

    async def give(tx: Tx) -> None:
        clearing, fund = Account("provider_clearing", HOUSE, "EUR"), FUND
        ledger.post(tx, [Transfer(clearing, fund, amount_minor, "adjustment")], uuid4())

    await story.database.run(give)


FUND = Account("protection_fund", HOUSE, "EUR")


async def drained(story: Story) -> None:
    """The fund as empty as it was when the module began."""
    async with story.database.reading() as conn:
        left = await conn.fetchval("SELECT money.folded_balance($1)", FUND.id)
    if left == 0:
        return
    clearing = Account("provider_clearing", HOUSE, "EUR")
    sides = (FUND, clearing) if left > 0 else (clearing, FUND)

    async def take(tx: Tx) -> None:
        ledger.post(tx, [Transfer(*sides, abs(left), "adjustment")], uuid4())

    await story.database.run(take)


async def claim_body(story: Story, amount_minor: int, *lost: str, **more: Any) -> dict[str, Any]:
    named: dict[str, list[str]] = {"orders": [], "withdrawals": [], "transfers": []}
    for item in lost:
        named[{"ord": "orders", "wdr": "withdrawals", "trf": "transfers"}[item[:3]]].append(item)
    since = await story.now() - timedelta(days=60)
    return {
        "what_happened": "Somebody had my phone.",
        "since": since.isoformat(),
        "amount": euros(amount_minor),
        **named,
        **more,
    }


async def file(story: Story, victim: Member, amount_minor: int, *lost: str, **more: Any) -> Any:
    """A claim that is accepted; the session that files it goes on."""
    body = await claim_body(story, amount_minor, *lost, password=PASSWORD, **more)
    return await victim.made(CLAIMS, body)


async def code_to(story: Story, member: Member) -> str:
    """The newest code in the member's mail."""
    await member.made("/v1/me/unlock-code", {"channel": "email"})
    to = f"{member.handle}@example.com"
    mails = await story.http.get("/v1/sandbox/messages", params={"to": to})
    text = next(item["text"] for item in mails.json()["items"] if "handsel code" in item["text"])
    return str(text.split()[0])


async def secure(story: Story, member: Member, **more: Any) -> Any:
    """The owner proves who they are, and chooses a new password."""
    body = {
        "password": PASSWORD,
        "channel": "email",
        "code": await code_to(story, member),
        "new_password": NEW_PASSWORD,
    }
    return await member.made("/v1/me/unlock", body | more)


async def log_in_again(story: Story, member: Member) -> None:
    """A new session: the old one has ended, or its time was over."""
    opened = await story.database.run(lambda tx: members.open_session(tx, id_of(member)))
    member.token = opened.token


async def read(member: Member, claim: str) -> Any:
    return await member.get(f"{CLAIMS}/{claim}")


async def staff(story: Story) -> UUID:
    """Somebody who may decide."""
    return id_of(await _staff(story))


async def staff_handle(story: Story) -> str:
    """The same, as the command line names them."""
    return (await _staff(story)).handle


async def _staff(story: Story) -> Member:
    member = await story.person("staff")
    async with story.database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute("UPDATE people.members SET is_staff = true WHERE id = $1", id_of(member))
        await conn.execute("RESET ROLE")
    return member


def uuid_of(claim: str) -> UUID:
    return decode("clm", claim)


async def booked(story: Story, claim: str) -> list[tuple[str, str, str, int]]:
    """(code, from, to, amount) of every transfer of a claim, in their order."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT t.code, d.kind AS source, c.kind AS target, t.amount FROM money.transfers t"
            " JOIN money.accounts d ON d.id = t.debit_account"
            " JOIN money.accounts c ON c.id = t.credit_account"
            " WHERE t.reference_id = $1 ORDER BY t.seq",
            uuid_of(claim),
        )
    return [(row["code"], row["source"], row["target"], row["amount"]) for row in rows]


async def counters(story: Story) -> tuple[int, ...]:
    """What a refusal must leave as it is."""
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM money.transfers), (SELECT count(*) FROM money.claims),"
            " (SELECT count(*) FROM money.claim_items), (SELECT count(*) FROM money.claim_steps),"
            " (SELECT count(*) FROM people.locks),"
            " (SELECT count(*) FROM people.sessions WHERE ended_at IS NULL),"
            " (SELECT count(*) FROM money.withdrawals WHERE state = 'stopped'),"
            " (SELECT count(*) FROM foundation.outbox)"
        )
    assert row is not None
    return tuple(row)


def steps(claim: Any) -> list[tuple[str, str]]:
    """(what happened, by whom)."""
    return [(step["step"], step["by"]) for step in claim["timeline"]]


def amounts(claim: Any) -> tuple[int, int, int]:
    """(credited, paid, owed)."""
    credited, paid, owed = (claim[name]["amount_minor"] for name in ("credited", "paid", "owed"))
    return credited, paid, owed


def deadline(claim: Any) -> timedelta:
    """From filing to the deadline."""
    at = datetime.fromisoformat
    return at(claim["deadline_at"]) - at(claim["filed_at"])
