"""The register of credit models in the worker: what ships is kept for replays, canaries are
watched."""

from functools import partial

import structlog

from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Periodic
from handsel.money.payments import alerts

log = structlog.get_logger(__name__)
_KEEP_S = 600.0
_WATCH_S = 3600.0


def periodics(database: Database, settings: Settings) -> list[Periodic]:
    """The first look comes after one interval: LightGBM is loaded by then, or else now."""
    return [
        Periodic("models_kept", _KEEP_S, partial(keep_shipped, database, settings)),
        Periodic("canaries", _WATCH_S, partial(watch, database)),
    ]


async def keep_shipped(database: Database, settings: Settings) -> None:
    """Enter the models that ship with the code into the register, whoever serves, so that what they
    decide can be replayed when other code has come. A full disk stops no other work."""
    from handsel.people.credit import registry
    from handsel_ml.registry.shelf import Shelf

    shelf = Shelf(settings.home / "models" / "registry")
    try:
        await database.run(lambda tx: registry.adopt_shipped(tx, shelf))
    except (Problem, OSError) as error:
        log.error("shipped_models_not_kept", error=repr(error))


async def watch(database: Database) -> int:
    """Look at every canary; how many had to be rolled back. Each is told to whoever is on duty."""

    async def use_case(tx: Tx) -> int:
        from handsel.people.credit import canaries

        stopped = [seen for seen in await canaries.watch(tx) if seen.breach]
        for seen in stopped:
            log.error("canary_rolled_back", **canaries.told(seen))
            text = f"{seen.model_id} was rolled back: {seen.breach}"
            alerts.raise_alert(tx, "canary_rolled_back", seen.model_id, text)
        return len(stopped)

    return await database.run(use_case)
