"""When a silent provider is asked again: for ever, ever more rarely, and nothing is concluded."""

from datetime import datetime, timedelta

#: The first job asks for a quarter of an hour by itself; from then on the sweep does.
FIRST_SWEEP = timedelta(minutes=20)
_RAREST = timedelta(hours=6)
_LATE = timedelta(days=1)


def next_ask(now: datetime, attempts: int) -> datetime:
    """After so many sweeps: twice as long as the time before, at most six hours."""
    wait: timedelta = FIRST_SWEEP * 2 ** min(attempts, 10)
    return now + min(wait, _RAREST)


def is_late(created_at: datetime, told_at: datetime | None, now: datetime) -> bool:
    """Whether something open for a day is still to be told of; it is told once."""
    return told_at is None and now >= created_at + _LATE
