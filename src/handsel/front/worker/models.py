"""The register of credit models in the worker: what ships is kept for replays, canaries are
watched, and whoever was scored by a model that has left its seat is scored anew."""

from functools import partial

import asyncpg
import structlog

from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Periodic
from handsel.money.payments import alerts

log = structlog.get_logger(__name__)
_KEEP_S = 600.0
_WATCH_S = 3600.0
_RESCORE_S = 10.0
_RESCORED_AT_ONCE = 100


def periodics(database: Database, settings: Settings) -> list[Periodic]:
    """The first look comes after one interval: LightGBM is loaded by then, or else now."""
    return [
        Periodic("models_kept", _KEEP_S, partial(keep_shipped, database, settings)),
        Periodic("canaries", _WATCH_S, partial(watch, database)),
        Periodic("rescoring", _RESCORE_S, partial(rescore, database, settings)),
    ]


async def keep_shipped(database: Database, settings: Settings) -> None:
    """Enter the models that ship with the code into the register, whoever serves, so that what they
    decide can be replayed when other code has come. A full disk stops no other work."""
    from handsel.people.credit import registry
    from handsel.people.credit.models import shelf_in

    shelf = shelf_in(settings.home)
    try:
        await database.run(lambda tx: registry.adopt_shipped(tx, shelf))
    except (Problem, OSError) as error:
        log.error("shipped_models_not_kept", error=repr(error))


async def watch(database: Database) -> int:
    """Look at every canary; how many had to be rolled back. Each is told to whoever is on duty.
    Where staff were faster, it looks again at once."""
    from handsel.people.credit.errors import ModelSeated, NothingToRollBack

    async def use_case(tx: Tx) -> int:
        from handsel.people.credit import canaries

        stopped = [seen for seen in await canaries.watch(tx) if seen.breach]
        for seen in stopped:
            log.error("canary_rolled_back", **canaries.told(seen))
            text = f"{seen.model_id} was rolled back: {seen.breach}"
            alerts.raise_alert(tx, "canary_rolled_back", seen.model_id, text)
        return len(stopped)

    try:
        return await database.run(use_case)
    except (ModelSeated, NothingToRollBack) as error:
        log.info("canary_gone_meanwhile", detail=error.detail)
        return 1


async def rescore(database: Database, settings: Settings) -> int:
    """Score anew whose model is not seated for them any more; how many were.

    It looks every ten seconds and then goes on without a pause until nobody is left. Each member
    has a transaction of their own, and one who is being assessed is left to whoever does; one who
    cannot be is told in the log and keeps nobody waiting.
    """
    from handsel.people.credit import rescoring
    from handsel.people.credit.models import shelf_in

    shelf, done = shelf_in(settings.home), 0
    async with database.reading() as conn:
        members = await rescoring.due(conn, shelf, _RESCORED_AT_ONCE)
    for member_id in members:
        try:
            done += await database.run(partial(rescoring.rescore, member_id=member_id, shelf=shelf))
        except (Problem, asyncpg.DataError, ValueError) as error:
            log.error("member_not_rescored", member=str(member_id), error=repr(error))
    return done
