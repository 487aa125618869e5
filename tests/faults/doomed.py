"""The processes of the house, and how one is made to die at a named point.

The house has no failpoints. A child process of a test, which is in no wheel, wraps the seams that
are there and then runs the command line: a kill -9 by itself, in the very line that is meant.

* ``before_claim``, ``after_claim``, ``before_commit``, ``after_commit``: the API, in a request
  whose Idempotency-Key begins with ``doomed``; the last is before any answer leaves.
* ``before_job:NAME``, ``after_effect:NAME``: the worker, in its first job of this name; the second
  is before the queue hears that it is done.
"""

import os
import sys
from contextvars import ContextVar
from typing import Any, Final

from handsel.foundation import idempotency
from handsel.foundation.db.session import Session

DEAD: Final = 137
KEY: Final = "doomed"
_mine: ContextVar[bool] = ContextVar("mine", default=False)


def die() -> None:
    """As kill -9: nothing is flushed, closed or said."""
    os._exit(DEAD)


def plant_in_api(point: str) -> None:
    """Wrap the claim of a key and COMMIT."""
    claim, commit = idempotency.claim, Session.commit

    async def doomed_claim(conn: Any, key: idempotency.Key) -> Any:
        mine = key.key.startswith(KEY)
        if mine and point == "before_claim":
            die()
        found = await claim(conn, key)
        if mine and point == "after_claim":
            die()
        _mine.set(mine)
        return found

    async def doomed_commit(self: Session) -> None:
        if _mine.get() and point == "before_commit":
            die()
        await commit(self)
        if _mine.get() and point == "after_commit":
            die()

    idempotency.claim = doomed_claim
    Session.commit = doomed_commit  # type: ignore[method-assign]


def plant_in_worker(point: str, name: str) -> None:
    """Wrap one handler."""
    from handsel.front.worker import app

    made = getattr(app, "handlers")  # noqa: B009 - the module does not export it

    def doomed_handlers(*args: Any) -> dict[str, Any]:
        found: dict[str, Any] = made(*args)
        handler = found[name]

        async def doomed(job: Any) -> None:
            if point == "before_job":
                die()
            await handler(job)
            die()

        return found | {name: doomed}

    setattr(app, "handlers", doomed_handlers)  # noqa: B010 - the module does not export it


def run(command: str, env: dict[str, str], log: str, point: str) -> None:
    """``handsel serve`` or ``handsel worker`` in this process; it dies with its parent too."""
    from handsel.front.cli import main

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(env)
    name, _, job = point.partition(":")
    if job:
        plant_in_worker(name, job)
    elif name:
        plant_in_api(name)
    sys.argv = ["handsel", command, "--parent", str(os.getppid())]
    main()
