"""`handsel staff`: only whoever owns the database appoints, and it is written down."""

import asyncio

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from handsel.foundation.core.errors import UserError
from handsel.foundation.db.uow import Database
from handsel.front.cli.staff import app
from tests.factories.members import create_member


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_appointed_dismissed_and_both_in_the_audit_chain(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = await create_member(database)
    monkeypatch.setenv("HANDSEL_DATABASE_URL", database_url)

    appointed = await run("appoint", member.handle)
    again = await run("appoint", member.handle)
    listed = await run("list")
    dismissed = await run("dismiss", member.handle)
    unknown = await run("appoint", "nobody-at-all")

    assert [one.exit_code for one in (appointed, again, listed, dismissed)] == [0, 0, 0, 0]
    assert member.handle in listed.stdout.splitlines()
    assert isinstance(unknown.exception, UserError)
    async with database.reading() as conn:
        acts = await conn.fetch(
            "SELECT action FROM foundation.audit_entries WHERE subject_id = $1 ORDER BY id",
            member.id,
        )
        assert [act["action"] for act in acts] == ["staff_appointed", "staff_dismissed"]
        assert not await conn.fetchval(
            "SELECT is_staff FROM people.members WHERE id = $1", member.id
        )


async def test_the_service_itself_appoints_nobody(database: Database) -> None:
    member = await create_member(database)

    async with database.reading() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE people.members SET is_staff = true WHERE id = $1", member.id)
