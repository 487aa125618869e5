"""`handsel appeals …`: what staff type, and what they are told."""

import asyncio
import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner, Result

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.uow import Database, Tx
from handsel.front.cli.appeals import app
from handsel.people.credit import appeals, service
from handsel.people.credit.schemas import Fact
from handsel.people.credit.views import AppealInput, AppealView
from handsel_ml.contract import FactKind
from tests.factories.members import Member, create_member


async def _filed(database: Database, me: Member) -> AppealView:
    async def work(tx: Tx) -> AppealView:
        report = Fact(
            member_id=me.id,
            kind=FactKind.REPORT_UPHELD,
            source_id="a-report",
            happened_at=tx.now - timedelta(days=1),
        )
        service.record(tx, [report])
        await tx.flush()
        fact = await tx.fetchval("SELECT id FROM people.facts WHERE member_id = $1", me.id)
        data = AppealInput(about="social", text="Not me", facts=[encode("fct", fact)])
        return await appeals.file(tx, me.id, data)

    return await database.run(work)


async def _staff(database: Database) -> Member:
    member = await create_member(database)
    async with database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute("UPDATE people.members SET is_staff = true WHERE id = $1", member.id)
        await conn.execute("RESET ROLE")
    return member


async def test_staff_list_show_propose_and_confirm(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, first, second = (
        await create_member(database), await _staff(database), await _staff(database),
    )  # fmt: skip
    appeal = await _filed(database, me)
    [fact] = [contested.id for contested in appeal.facts]
    monkeypatch.setenv("HANDSEL_DATABASE_URL", database_url)

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, arguments)

    propose = ("propose", appeal.id, "--answer", "It was about somebody else", "--fact", fact)
    listed = await run("list", "--as", first.handle, "--json")
    table = await run("list", "--as", first.handle)
    stranger = await run(*propose, "--as", me.handle)
    misspelt = await run("show", "apl_1", "--as", first.handle)
    proposed = await run(*propose, "--as", first.handle)
    shown = await run("show", appeal.id, "--as", second.handle)
    proposal = json.loads(shown.stdout)["proposal"]
    confirm = ("confirm", appeal.id, "--proposal", proposal["digest"])
    alone = await run(*confirm, "--as", first.handle)
    unseen = await run("confirm", appeal.id, "--proposal", "f" * 32, "--as", second.handle)
    agreed = await run(*confirm, "--as", second.handle)
    late = await run("deny", appeal.id, "--as", first.handle, "--answer", "No")

    assert [one["id"] for one in json.loads(listed.stdout)] == [appeal.id]
    assert appeal.id in table.stdout.replace("\n", "")
    assert [str(one.exception) for one in (stranger, misspelt, alone, unseen, late)] == [
        f"{me.handle} is no member of staff.",
        "apl_1 is not an id: no apl_… has this id.",
        "Somebody else of the staff has to confirm this (appeal_needs_second).",
        "What is proposed is no longer what you have seen: look again (proposal_changed).",
        "This appeal has been decided (appeal_decided).",
    ]
    assert all(isinstance(one.exception, UserError) for one in (stranger, alone, unseen, late))
    assert proposed.exit_code == agreed.exit_code == 0
    assert proposal == {
        "digest": proposal["digest"], "proposed_by": encode("mem", first.id),
        "facts": [fact], "answer": "It was about somebody else",
    }  # fmt: skip
    async with database.reading() as conn:
        assert (await appeals.one(conn, decode("apl", appeal.id), me.id)).state == "upheld"
        read = await conn.fetchval(
            "SELECT count(*) FROM foundation.audit_entries WHERE action LIKE 'appeal%'"
        )
    assert read == 6  # filed, listed twice, read, proposed, upheld
