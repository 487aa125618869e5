"""`handsel ml register … replay`: the way of a model as staff type it, and what they are told."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from handsel.foundation.core.errors import UserError
from handsel.foundation.db.uow import Database
from handsel.front.cli.ml import app
from handsel.people.credit import registry
from tests.factories.members import create_member
from tests.people.credit.rivals import SHADOW, SHIPPED, advance, as_owner, judged, rival


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


@pytest.mark.parametrize("share", ["nan", "inf", "-inf", "1e12", "0", "50.1"])
async def test_share_that_is_none_is_refused_in_a_sentence(share: str) -> None:
    refused = await run("canary", "social-x", f"--share={share}")

    assert isinstance(refused.exception, UserError)
    assert str(refused.exception).startswith("A canary scores 0.01 to 50 percent of the members")


async def test_a_model_on_its_way_and_back(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDSEL_DATABASE_URL", database_url)
    monkeypatch.setenv("HANDSEL_HOME", str(tmp_path / "home"))
    first, second = await create_member(database), await create_member(database)
    for one in (first, second):
        await as_owner(database, "UPDATE people.members SET is_staff = true WHERE id = $1", one.id)
    rival(tmp_path / "made" / "social")

    nothing = await run("register", str(tmp_path))
    entered = await run("register", str(tmp_path / "made"))
    model_id = entered.stdout.strip()
    shadowed = await run("shadow", model_id)
    unknown = await run("gates", model_id, "--explained", "star_sign")
    await database.run(lambda tx: registry.judge(tx, judged(model_id, SHIPPED["social"])))
    await run("approve", model_id, "--as", first.handle)
    twice = await run("approve", model_id, "--as", first.handle)
    await advance(database, SHADOW)
    alone = await run("promote", model_id)
    await run("approve", model_id, "--as", second.handle)
    canary = await run("canary", model_id, "--share", "5")
    listed = await run("candidates", "--json")
    promoted = await run("promote", model_id, "--as", first.handle)
    back = await run("rollback", "social", "--reason", "a drill")
    again = await run("rollback", "social")
    replayed = await run("replay", "--last", "5", "--json")

    refused = [str(one.exception) for one in (nothing, twice, alone, again)]
    assert [text.rpartition(" ")[2] for text in refused] == [
        f"{tmp_path}.", "(second_approver_needed).", "(second_approver_needed).",
        "(nothing_to_roll_back).",
    ]  # fmt: skip
    assert all(isinstance(one.exception, UserError) for one in (nothing, twice, alone, again))
    assert "explained_unknown" in str(unknown.exception)
    assert isinstance(unknown.exception, UserError)
    assert [one.exit_code for one in (shadowed, canary, promoted, back, replayed)] == [0] * 5
    states = {
        one["model_id"]: (one["state"], one["share_bps"]) for one in json.loads(listed.stdout)
    }
    assert states[model_id] == ("canary", 500)
    assert states[SHIPPED["social"]] == ("champion", None)
    assert json.loads(replayed.stdout) == []
