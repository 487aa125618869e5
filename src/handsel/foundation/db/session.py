"""A connection whose COMMIT has three ends: it is done, it is undone, or nobody knows.

Unknown is an end of its own, because each way of hiding it loses money: a COMMIT that is cancelled
while it waits for a synchronous standby answers "COMMIT" with a warning, and is gone should that
standby take over; a driver's timeout sends exactly such a cancel; a connection that breaks in the
middle of a COMMIT has done it about as often as not (research/reliability.md, F1 and F2).
"""

import asyncio
from typing import Any

import asyncpg

from handsel.foundation.core.errors import OutcomeUnknown

#: What asyncpg raises on a connection that has died under it (and for other reasons).
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
#: Whoever waits longer is told that the outcome is unknown. An fsync may be slow; a standby that is
#: away never answers.
COMMIT_WITHIN_S = 10.0
#: By state, for the texts are translated: "canceling wait for synchronous replication due to user
#: request" and "… and terminating connection due to administrator command".
_CUT_LOOSE = ("01000", "57P01")


class NothingCommitted(Exception):
    """A database error was swallowed inside a transaction, which has undone all of it."""


class Session(asyncpg.Connection):
    """What ``open_pool`` and ``connect`` make."""

    commit_within_s = COMMIT_WITHIN_S

    @property
    def itself(self) -> "Session":
        """The connection behind the pool's proxy, which would cost every statement as much again as
        asyncpg's own Python does."""
        return self

    async def commit(self) -> None:
        """COMMIT; returns only when it is done, on the standby too where one is asked for.

        Raises the server's error when it refused (all is undone), ``NothingCommitted`` when it
        rolled back instead, and ``OutcomeUnknown``. A connection that has not answered in time, or
        whose task is cancelled, is closed: the server then commits or not by itself. asyncpg's own
        answer to both is a request to cancel, which would cut the COMMIT loose from its standby;
        the one that it plans for a cancelled task ends with the connection before it is sent.
        """
        warnings: list[Any] = []

        def note(_: object, message: Any) -> None:
            warnings.append(message)

        self.add_log_listener(note)
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self.commit_within_s, self.terminate)
        try:
            tag = await self.execute("COMMIT")
        except LOST as error:
            if _is_refusal(error) and not self.is_closed():
                raise
            self.terminate()
            raise OutcomeUnknown from error
        except asyncio.CancelledError:
            self.terminate()
            raise
        finally:
            deadline.cancel()
            self.remove_log_listener(note)
        # Nothing of ours warns at COMMIT. The callbacks above were queued before this task was.
        if any(found.sqlstate in _CUT_LOOSE for found in warnings):
            raise OutcomeUnknown
        if tag != "COMMIT":  # the answer to COMMIT after an error that somebody swallowed
            raise NothingCommitted


def _is_refusal(error: BaseException) -> bool:
    """Whether the server answered COMMIT with an error of the transaction, which it has undone; its
    goodbye (57P01 to 57P05) and a lost connection (class 08) are no answers."""
    state = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return bool(state) and not str(state).startswith(("57P", "08"))
