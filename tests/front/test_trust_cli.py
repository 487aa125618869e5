"""`handsel ml benchmark-trust | trust | seed`: what staff type, and what they are told."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from handsel.foundation.core.errors import UserError
from handsel.foundation.db.uow import Database
from handsel.front.cli.ml import app
from tests.factories.members import Member, create_member


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def create_staff(database: Database) -> Member:
    member = await create_member(database)
    async with database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute("UPDATE people.members SET is_staff = true WHERE id = $1", member.id)
        await conn.execute("RESET ROLE")
    return member


async def test_staff_name_a_seed_and_make_a_snapshot(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetted, first, second = (
        await create_member(database), await create_staff(database), await create_staff(database),
    )  # fmt: skip
    monkeypatch.setenv("HANDSEL_DATABASE_URL", database_url)

    stranger = await run("seed", first.handle, "--as", vetted.handle)
    proposed = await run("seed", vetted.handle, "--as", first.handle)
    alone = await run("seed", vetted.handle, "--as", first.handle)
    agreed = await run("seed", vetted.handle, "--as", second.handle)
    early = await run("trust", "--as-of", "2026-01-01", "--json")
    now = await run("trust")
    future = await run("trust", "--as-of", "2999-01-01")
    misspelt = await run("trust", "--as-of", "soon")

    assert [str(one.exception) for one in (stranger, alone, future, misspelt)] == [
        f"{vetted.handle} is no member of staff.",
        "Whoever proposed a seed does not approve it (seed_needs_second).",
        "2999-01-01 00:00 lies in the future (snapshot_too_new).",
        "soon is no date or time; write it like 2026-03-01T12:00.",
    ]
    assert all(isinstance(one.exception, UserError) for one in (stranger, alone, future, misspelt))
    assert (proposed.exit_code, agreed.exit_code) == (0, 0)
    assert json.loads(early.stdout) == {
        "as_of": "2026-01-01T00:00:00Z", "method": "trust-1", "claimed": False, "seeds": 0,
        "deals": 0, "members": 0,
    }  # fmt: skip
    assert "0 deals, 1 seeds; nothing claimed, there are too few" in now.stdout


async def test_a_file_that_cannot_be_judged_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"

    missing = await run("benchmark-trust", str(file), "--json")
    file.write_text("a,b,3,yesterday\n")
    undated = await run("benchmark-trust", str(file), "--json")

    said = "the time of row 1 is no unix time or date: 'yesterday'"
    assert [str(one.exception) for one in (missing, undated)] == [
        f"{file} cannot be judged: there is no file {file} (file_missing).",
        f"{file} cannot be judged: {said} (date_invalid).",
    ]
    assert all(isinstance(one.exception, UserError) for one in (missing, undated))
    assert missing.stdout == undated.stdout == ""
