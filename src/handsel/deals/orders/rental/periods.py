"""How long a rental lasts, what it costs, and how late is late: pure arithmetic.

A price is for an hour or for a day. A started unit counts as a whole one. Days are counted by the
clock on the wall where the thing is: from ten to ten is one day, also when the hour changes.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from handsel.deals.orders.rental.errors import NotRentable, RentalTooLong
from handsel.deals.orders.terms import due_at

UNITS = {"per_hour": timedelta(hours=1), "per_day": timedelta(days=1)}
#: Nobody is late who comes within this time after the end.
GRACE = {"per_hour": timedelta(minutes=15), "per_day": timedelta(hours=2)}
#: Whoever has not brought it back by then keeps it.
GIVEN_UP_AFTER = timedelta(days=3)
#: With inspection, claim and contest a rental stays below the longest hold.
LATEST_END = timedelta(days=45)


def check(unit: str, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Raises ``NotRentable`` (409), ``InvalidStart``, ``RentalTooLong`` (422)."""
    if unit not in UNITS:
        raise NotRentable("things are rented by the hour or by the day")
    due_at(starts_at, now)
    if ends_at > now + LATEST_END:
        raise RentalTooLong


def units_in(unit: str, starts_at: datetime, ends_at: datetime, time_zone: str | None) -> int:
    """The started units between two aware times."""
    lasts = ends_at - starts_at
    if unit == "per_day" and time_zone is not None:
        zone = ZoneInfo(time_zone)
        wall = [moment.astimezone(zone).replace(tzinfo=None) for moment in (starts_at, ends_at)]
        lasts = wall[1] - wall[0]
    return max(_started(lasts, UNITS[unit]), 1)


def durations(unit: str, starts_at: datetime, ends_at: datetime) -> dict[str, int]:
    """What the timers of the process count from the start, in seconds."""
    lasts = ends_at - starts_at
    return {
        "until_end": _seconds(lasts),
        "until_late": _seconds(lasts + GRACE[unit]),
        "until_unreturned": _seconds(lasts + GIVEN_UP_AFTER),
    }


def late_units(unit: str, ends_at: datetime, returned_at: datetime) -> int:
    """The started units by which it came back too late; none within the grace."""
    late = returned_at - ends_at
    return 0 if late <= GRACE[unit] else _started(late, UNITS[unit])


def _started(lasts: timedelta, unit: timedelta) -> int:
    return -(-lasts // unit)


def _seconds(lasts: timedelta) -> int:
    return int(lasts.total_seconds())
