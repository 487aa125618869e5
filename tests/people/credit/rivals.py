"""Challengers for the tests of the register: the shipped models with another calibration."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import registry
from handsel_ml.bundle import read_bundle, write_bundle
from handsel_ml.contract import ScoreKind
from handsel_ml.registry.gate import Gate
from handsel_ml.registry.gates import GateTable
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES
from tests.factories.members import create_member

SHADOW = timedelta(days=7)
SHIPPED: dict[ScoreKind, str] = {
    "financial": read_bundle(BUNDLES / "financial")[1].model_id,
    "social": read_bundle(BUNDLES / "social")[1].model_id,
}


def rival(folder: Path, kind: ScoreKind = "social", *, days: int = 30, shift: float = 0.0) -> Path:
    """A bundle trained ``days`` after the shipped one, its log-odds of bad ``shift`` higher."""
    text, info = read_bundle(BUNDLES / kind)
    calibrator = msgspec.structs.replace(info.calibrator, c=info.calibrator.c + shift)
    later = datetime.fromisoformat(info.as_of).astimezone(UTC) + timedelta(days=days)
    info = msgspec.structs.replace(info, calibrator=calibrator, as_of=later.isoformat())
    write_bundle(folder, text, info)
    return folder


def judged(model_id: str, champion_id: str, *, passed: bool = True) -> GateTable:
    """A judgement with one gate."""
    auc = Gate(name="auc", passed=passed, value=0.001, bound="> -0.002", words="AUC")
    kind: ScoreKind = "financial" if model_id.startswith("financial") else "social"
    return GateTable(
        kind=kind, challenger_id=model_id, champion_id=champion_id, rows=1000, bads=50,
        passed=passed, gates=(auc,),
    )  # fmt: skip


async def staff(database: Database) -> UUID:
    """A new member of staff."""
    member = await create_member(database)
    await as_owner(database, "UPDATE people.members SET is_staff = true WHERE id = $1", member.id)
    return member.id


async def make_ready(
    database: Database, model_id: str, shelf: Shelf, champion_id: str, watched: timedelta = SHADOW
) -> None:
    """A registered model through gates, two approvals and its time in shadow."""
    approvers = [await staff(database), await staff(database)]

    async def use_case(tx: Tx) -> None:
        await registry.shadow(tx, model_id, shelf)
        await registry.judge(tx, judged(model_id, champion_id))
        for approver in approvers:
            await registry.approve(tx, model_id, shelf, approver)

    await database.run(use_case)
    await advance(database, watched)


async def advance(database: Database, by: timedelta) -> None:
    """Move the business time."""
    async with database.reading() as conn:
        await conn.execute("SELECT foundation.advance_clock($1)", by)


async def empty_seats(database: Database) -> None:
    """As after the migrations: nobody but the shipped models serves."""
    await as_owner(
        database,
        "UPDATE people.model_seats SET champion_id = NULL, canary_id = NULL,"
        " canary_bps = NULL, canary_since = NULL, shadow_ids = '{}'",
    )


async def as_owner(database: Database, statement: str, *args: Any) -> None:
    """What the application's role may not."""
    async with database.reading() as conn, conn.transaction():
        await conn.execute("SET LOCAL ROLE handsel_owner")
        await conn.execute(statement, *args)
