"""Counting attempts: one statement for all the keys of a request, fixed windows."""

from dataclasses import dataclass
from datetime import timedelta

from handsel.foundation.db.uow import Tx
from handsel.people.members.errors import slow_down
from handsel.people.members.policy import Limit

_HIT = "people.hit_limits"
_TYPES = ("text[]", "interval[]")


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that was passed, how long until its window ends, and whether just now."""

    limit: Limit
    wait: timedelta
    first: bool


def key_of(limit: Limit, subject: str) -> str:
    """The row of a limit for one subject."""
    return f"{limit.name}:{subject}"


async def hit(tx: Tx, *hits: tuple[Limit, str]) -> list[Exceeded]:
    """Count one on each (limit, subject); returns the limits that are now exceeded.

    The counts commit with the transaction: where a refusal must not undo them, hit in one of its
    own.
    """
    by_key = {key_of(limit, subject): limit for limit, subject in hits}
    rows = await tx.fetch(
        f"SELECT * FROM {_HIT}($1, $2)", list(by_key), [limit.window for limit in by_key.values()]
    )
    found = []
    for row in rows:
        limit = by_key[row["limit_key"]]
        over = row["hit_count"] - limit.most
        if over > 0:
            found.append(Exceeded(limit, row["window_ends_at"] - tx.now, over == 1))
    return found


async def enforce(tx: Tx, what: str, *hits: tuple[Limit, str]) -> None:
    """Count, and refuse with 429 ("too many ``what``") beyond a limit.

    The refusal takes the last hit back with it, which keeps the count at the limit.
    """
    exceeded = await hit(tx, *hits)
    if exceeded:
        raise slow_down(what, max(found.wait for found in exceeded))


def hit_if_refused(tx: Tx, limit: Limit, subject: str) -> None:
    """Count one if this transaction is refused."""
    tx.if_refused(_HIT, _TYPES, [key_of(limit, subject)], [limit.window])


async def wait_of(tx: Tx, limit: Limit, subject: str) -> timedelta | None:
    """How long a subject that has used up a limit must wait, without counting."""
    ends_at = await tx.fetchval(
        "SELECT ends_at FROM people.limits WHERE key = $1 AND hits >= $2 AND ends_at > $3",
        key_of(limit, subject),
        limit.most,
        tx.now,
    )
    return None if ends_at is None else ends_at - tx.now


async def forgive(tx: Tx, forget: list[str], take_back: list[str]) -> None:
    """After a success: forget some keys, take one hit back from others."""
    await tx.execute("SELECT people.forgive_limits($1, $2)", forget, take_back)
