"""The register: nothing serves that was not judged, watched and approved by two; and a way back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
import msgspec
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.front.worker.models import keep_shipped
from handsel.people.credit import errors, registry, service
from handsel.people.trust.service import current_policy
from handsel_ml.bundle import read_bundle, write_bundle
from handsel_ml.registry.policy import registry_policy
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES
from tests.factories.members import create_member
from tests.people.credit.rivals import (
    SHADOW,
    SHIPPED,
    advance,
    as_owner,
    empty_seats,
    judged,
    make_ready,
    rival,
    staff,
)


@pytest.fixture
async def shelf(database: Database, tmp_path: Path) -> Shelf:
    await empty_seats(database)
    return Shelf(tmp_path / "shelf")


async def enter(database: Database, shelf: Shelf, name: str, days: int = 30) -> str:
    """A registered challenger; ``name`` makes it differ from every other."""
    folder = rival(shelf.root.parent / name, days=days, shift=sum(name.encode()) / 10_000)
    return await database.run(lambda tx: registry.register(tx, folder, shelf))


async def champion(database: Database) -> str | None:
    async with database.reading() as conn:
        found: str | None = await conn.fetchval(
            "SELECT champion_id FROM people.model_seats WHERE kind = 'social'"
        )
    return found


async def told(database: Database, model_id: str) -> list[str]:
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT what FROM people.model_events WHERE model_id = $1 ORDER BY id", model_id
        )
    return [row["what"] for row in rows]


async def test_ready_challenger_is_promoted_and_scores_the_next_refresh(
    database: Database, shelf: Shelf
) -> None:
    model_id = await enter(database, shelf, "ready")
    member = await create_member(database)
    await make_ready(database, model_id, shelf, SHIPPED["social"])

    await database.run(lambda tx: registry.promote(tx, model_id, shelf))

    snapshot = await database.run(lambda tx: service.refresh(tx, member.id, shelf=shelf))
    assert (snapshot.financial.model_id, snapshot.social.model_id) == (
        SHIPPED["financial"], model_id,
    )  # fmt: skip
    assert await told(database, model_id) == [
        "registered", "shadowed", "gates_passed", "approved", "approved", "promoted",
    ]  # fmt: skip
    async with database.reading() as conn:
        entries = await conn.fetch(
            "SELECT action FROM foundation.audit_entries WHERE body ->> 'model_id' = $1", model_id
        )
    assert [row["action"] for row in entries].count("model_promoted") == 1
    assert len(entries) == 6


async def only_judged(database: Database, model_id: str, shelf: Shelf) -> None:
    async def use_case(tx: Tx) -> None:
        await registry.shadow(tx, model_id, shelf)
        await registry.judge(tx, judged(model_id, SHIPPED["social"]))

    await database.run(use_case)
    await advance(database, SHADOW)


async def one_approver(database: Database, model_id: str, shelf: Shelf) -> None:
    await only_judged(database, model_id, shelf)
    by = await staff(database)
    await database.run(lambda tx: registry.approve(tx, model_id, shelf, by))


async def never_judged(database: Database, model_id: str, shelf: Shelf) -> None:
    await database.run(lambda tx: registry.shadow(tx, model_id, shelf))
    await advance(database, SHADOW)


async def judged_anew(database: Database, model_id: str, shelf: Shelf) -> None:
    """Approvals are of the judgement before."""
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.judge(tx, judged(model_id, SHIPPED["social"])))


async def failed_since(database: Database, model_id: str, shelf: Shelf) -> None:
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    failed = judged(model_id, SHIPPED["social"], passed=False)
    await database.run(lambda tx: registry.judge(tx, failed))


async def judged_against_another(database: Database, model_id: str, shelf: Shelf) -> None:
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.judge(tx, judged(model_id, SHIPPED["financial"])))


async def a_minute_early(database: Database, model_id: str, shelf: Shelf) -> None:
    early = SHADOW - timedelta(minutes=1)
    await make_ready(database, model_id, shelf, SHIPPED["social"], early)


async def staff_left(database: Database, model_id: str, shelf: Shelf) -> None:
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await as_owner(
        database,
        "UPDATE people.members SET is_staff = false WHERE id = (SELECT actor_id"
        " FROM people.model_events WHERE model_id = $1 AND what = 'approved' LIMIT 1)",
        model_id,
    )


async def file_changed(database: Database, model_id: str, shelf: Shelf) -> None:
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    text = shelf.folder(model_id) / "model.txt"
    text.write_text(text.read_text().replace("leaf_value=", "leaf_value=9", 1))


async def bundle_changed(database: Database, model_id: str, shelf: Shelf) -> None:
    """A whole other model, consistent in itself, in the place of the one that was judged."""
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    rival(shelf.folder(model_id), shift=-3.0)


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (only_judged, "second_approver_needed"),
        (one_approver, "second_approver_needed"),
        (judged_anew, "second_approver_needed"),
        (staff_left, "second_approver_needed"),
        (never_judged, "gates_not_passed"),
        (failed_since, "gates_not_passed"),
        (judged_against_another, "gates_not_passed"),
        (a_minute_early, "shadow_too_short"),
        (file_changed, "bundle_tampered"),
        (bundle_changed, "bundle_tampered"),
    ],
)
async def test_promotion_is_refused_and_the_champion_stays(
    database: Database,
    shelf: Shelf,
    prepare: Callable[[Database, str, Shelf], Awaitable[None]],
    code: str,
) -> None:
    model_id = await enter(database, shelf, prepare.__name__)
    await prepare(database, model_id, shelf)

    for verb in (
        lambda tx: registry.promote(tx, model_id, shelf),
        lambda tx: registry.canary(tx, model_id, 500, shelf),
    ):
        with pytest.raises(Problem) as refused:
            await database.run(verb)
        assert refused.value.code == code

    assert await champion(database) is None
    assert "promoted" not in await told(database, model_id)
    assert "canary" not in await told(database, model_id)


@pytest.mark.parametrize("days", [0, -30])
async def test_challenger_that_is_no_newer_is_refused(
    database: Database, shelf: Shelf, days: int
) -> None:
    model_id = await enter(database, shelf, f"old{days}", days=days)
    await make_ready(database, model_id, shelf, SHIPPED["social"])

    with pytest.raises(errors.ChallengerOlder):
        await database.run(lambda tx: registry.promote(tx, model_id, shelf))

    assert await champion(database) is None


async def test_nobody_approves_twice_and_only_staff_approves(
    database: Database, shelf: Shelf
) -> None:
    model_id = await enter(database, shelf, "approvals")
    await only_judged(database, model_id, shelf)
    by, outsider = await staff(database), await create_member(database)

    first = await database.run(lambda tx: registry.approve(tx, model_id, shelf, by))

    with pytest.raises(errors.SecondApproverNeeded):
        await database.run(lambda tx: registry.approve(tx, model_id, shelf, by))
    with pytest.raises(errors.ModelNotStaff):
        await database.run(lambda tx: registry.approve(tx, model_id, shelf, outsider.id))
    assert first == 1
    assert (await told(database, model_id)).count("approved") == 1


async def test_rollback_restores_the_former_champion_and_asks_everything_anew(
    database: Database, shelf: Shelf
) -> None:
    first = await enter(database, shelf, "first")
    await make_ready(database, first, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.promote(tx, first, shelf))
    second = await enter(database, shelf, "second", days=60)
    await make_ready(database, second, shelf, first)
    await database.run(lambda tx: registry.promote(tx, second, shelf))
    member = await create_member(database)

    gone = await database.run(lambda tx: registry.roll_back(tx, "social", "too many declines"))

    snapshot = await database.run(lambda tx: service.refresh(tx, member.id, shelf=shelf))
    assert (gone, await champion(database), snapshot.social.model_id) == ([second], first, first)
    with pytest.raises(errors.GatesNotPassed):
        await database.run(lambda tx: registry.promote(tx, second, shelf))
    with pytest.raises(errors.ModelSeated):
        await database.run(lambda tx: registry.roll_back(tx, "social", "meant the same one"))
    assert await champion(database) == first
    await database.run(lambda tx: registry.roll_back(tx, "social", "this too", expected=first))
    assert await champion(database) is None
    with pytest.raises(errors.NothingToRollBack):
        await database.run(lambda tx: registry.roll_back(tx, "social", "once more"))


async def test_of_two_rollbacks_at_once_one_goes_back(database: Database, shelf: Shelf) -> None:
    ids: list[str] = []
    for name, days in (("below", 30), ("above", 60)):
        model_id = await enter(database, shelf, name, days=days)
        await make_ready(database, model_id, shelf, ids[-1] if ids else SHIPPED["social"])
        await database.run(partial(registry.promote, model_id=model_id, shelf=shelf))
        ids.append(model_id)

    answers = await asyncio.gather(
        *(
            database.run(lambda tx: registry.roll_back(tx, "social", "", expected=ids[1]))
            for _ in range(2)
        ),
        return_exceptions=True,
    )

    assert [ids[1]] in answers
    assert [type(one) for one in answers if one != [ids[1]]] == [errors.ModelSeated]
    assert await champion(database) == ids[0]


async def test_canary_that_came_meanwhile_is_not_rolled_back_for_another(
    database: Database, shelf: Shelf
) -> None:
    judged_id, other_id = [await enter(database, shelf, name) for name in ("judged", "other")]
    await make_ready(database, other_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.canary(tx, other_id, 100, shelf))

    with pytest.raises(errors.ModelSeated):
        await database.run(
            lambda tx: registry.roll_back(tx, "social", "", canary=True, expected=judged_id)
        )

    assert "rolled_back" not in await told(database, other_id)


async def test_of_two_promotions_at_once_one_is_judged_against_the_other(
    database: Database, shelf: Shelf
) -> None:
    rivals = [await enter(database, shelf, name, days=45) for name in ("left", "right")]
    for model_id in rivals:
        await make_ready(database, model_id, shelf, SHIPPED["social"])

    answers = await asyncio.gather(
        *(database.run(partial(registry.promote, model_id=m, shelf=shelf)) for m in rivals),
        return_exceptions=True,
    )

    [refused] = [answer for answer in answers if answer is not None]
    assert isinstance(refused, errors.ChallengerOlder)  # both are of one day
    assert await champion(database) == rivals[answers.index(None)]


async def test_registering_again_changes_nothing_and_a_changed_copy_is_found(
    database: Database, shelf: Shelf, tmp_path: Path
) -> None:
    model_id = await enter(database, shelf, "again")
    again = await enter(database, shelf, "again")
    file = shelf.folder(model_id) / "bundle.json"
    file.write_text(file.read_text().replace('"environment"', '"environment" '))

    with pytest.raises(errors.BundleTampered):
        await enter(database, shelf, "again")

    assert again == model_id
    assert await told(database, model_id) == ["registered"]


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        ("2095-01-01T00:00:00+00:00", "as_of_in_future"),
        ("2026-01-01T00:00:00", "as_of_without_zone"),
        ("in spring", "as_of_invalid"),
    ],
)
async def test_moment_of_training_that_cannot_be_is_refused(
    database: Database, shelf: Shelf, tmp_path: Path, as_of: str, code: str
) -> None:
    text, info = read_bundle(BUNDLES / "social")
    made = write_bundle(tmp_path / "made", text, msgspec.structs.replace(info, as_of=as_of))

    with pytest.raises(errors.BundleUnusable, match=code):
        await database.run(lambda tx: registry.register(tx, tmp_path / "made", shelf))

    assert await told(database, made.model_id) == []
    assert not shelf.root.exists()


async def test_candidates_tell_their_states_and_what_ships_is_kept_once(
    database: Database, shelf: Shelf, settings: Settings
) -> None:
    model_id = await enter(database, shelf, "listed")
    await database.run(lambda tx: registry.shadow(tx, model_id, shelf))
    for _ in range(2):
        await keep_shipped(database, settings)

    async with database.reading() as conn:
        found = {one.model_id: one.state for one in await registry.candidates(conn)}

    assert found[model_id] == "shadow"
    assert {found[shipped] for shipped in SHIPPED.values()} == {"champion"}
    assert await told(database, SHIPPED["social"]) == ["registered"]


def test_floors_of_the_gates_are_those_of_the_trust_policy() -> None:
    table = current_policy()
    wanted: dict[str, set[tuple[int, int]]] = {"financial": set(), "social": set()}
    for tier in ("T0", "T2", "T4", "T5"):  # T1 and T3 ask for the points of T2
        rule = table.tiers[tier]
        settled = rule.record_all.settled_orders if rule.record_all else 0
        for kind, floor in (("financial", rule.financial_floor), ("social", rule.social_floor)):
            wanted[kind] |= {(floor, settled)} if floor else set()

    floors = registry_policy().gates.tier_floors

    assert {kind: set(found) for kind, found in floors.items()} == wanted


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people.model_seats SET champion_id = NULL",
        "INSERT INTO people.model_events (model_id, kind, what) VALUES ('x', 'social', 'approved')",
        "DELETE FROM people.models",
        "UPDATE people.policies SET content = ''",
        "SELECT people.tell_model(NULL, 'approved', NULL, '', '{}')",
    ],
)
async def test_the_application_cannot_write_past_the_verbs(
    database: Database, statement: str
) -> None:
    async with database.reading() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
