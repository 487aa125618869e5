"""One drawn town, lived in a house of its own: played, compared, and looked at by type."""

from collections import defaultdict

import asyncpg
import msgspec

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.front.town.acting import Played, Player, Progress
from handsel.front.town.actors import Actors
from handsel.front.town.conformance import Conformance, compare, house_facts
from handsel.front.town.stage import Stage
from handsel.front.worker.inline import InlineWorker
from handsel.people.credit import service as credit
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.simulate import Town, TownPlan, simulate_town
from handsel_ml.simulate.population import ARCHETYPES

#: The simulator's amounts are in the reference currency.
CURRENCY = "EUR"


class TypeView(msgspec.Struct, frozen=True, kw_only=True):
    """Members of one hidden type: how many, what the house knows of them, by kind, how many have a
    score of each sort, and its mean points (absent where nobody has one)."""

    members: int
    facts: dict[str, int]
    scored: dict[ScoreKind, int]
    points: dict[ScoreKind, float | None]


class Lived(msgspec.Struct, frozen=True, kw_only=True):
    """What ``handsel ml act`` prints."""

    seed: int
    members: int
    deals: int
    lent_standings: int
    conformance: Conformance
    types: dict[str, TypeView]


async def live(url: str, settings: Settings, plan: TownPlan, progress: Progress) -> Lived:
    """Play a town in an empty database, beginning at its present."""
    town = simulate_town(plan)
    pool = await open_pool(url, size=4, durable=False)
    owner = await asyncpg.connect(url)
    try:
        database, stage = Database(pool), Stage(owner)
        player = Player(
            Actors(database, settings, CURRENCY), InlineWorker(database, settings), stage
        )
        played = await player.play(town, await stage.now(), progress)
        facts = await house_facts(database, played)
        return Lived(
            seed=plan.seed,
            members=plan.members,
            deals=len(town.exposures) // 2,
            lent_standings=len(played.lent),
            conformance=compare(town, facts, played),
            types=await _types(database, town, played),
        )
    finally:
        await owner.close()
        await pool.close()


async def _types(database: Database, town: Town, played: Played) -> dict[str, TypeView]:
    found: dict[str, TypeView] = {}
    for code, archetype in enumerate(ARCHETYPES):
        numbers = [n for n in played.people if town.archetype[n] == code]
        if numbers:
            found[archetype.value] = await _type(database, played, numbers)
    return found


async def _type(database: Database, played: Played, numbers: list[int]) -> TypeView:
    ids = [played.people[number].member_id for number in numbers]
    points: dict[ScoreKind, list[int]] = defaultdict(list)
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT kind, count(*) AS many FROM people.facts WHERE member_id = ANY($1)"
            " GROUP BY kind ORDER BY kind",
            ids,
        )
        for member_id in ids:
            snapshot = await credit.current(conn, member_id)
            for kind in SCORE_KINDS:
                score = getattr(snapshot, kind) if snapshot else None
                if score is not None and score.points is not None:
                    points[kind].append(score.points)
    return TypeView(
        members=len(ids),
        facts={row["kind"]: row["many"] for row in rows},
        scored={kind: len(points[kind]) for kind in SCORE_KINDS},
        points={
            kind: round(sum(points[kind]) / len(points[kind]), 1) if points[kind] else None
            for kind in SCORE_KINDS
        },
    )
