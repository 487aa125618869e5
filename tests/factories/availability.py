"""Listings that are booked by time, and their rules."""

from typing import Any
from uuid import UUID

from handsel.catalog.availability import service
from handsel.catalog.availability.schemas import OpeningHours, Rules
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from tests.factories import listings


def weekly(opens: str = "09:00", closes: str = "17:00") -> list[OpeningHours]:
    """The same hours on each day of the week."""
    return [OpeningHours(weekday=day, opens=opens, closes=closes) for day in range(1, 8)]


def rules(**changes: Any) -> Rules:
    """Slots of an hour, every day from nine to five in Berlin; no buffers, no lead."""
    given: dict[str, Any] = {
        "time_zone": "Europe/Berlin",
        "weekly": weekly(),
        "slot_minutes": 60,
        "lead_minutes": 0,
    }
    return Rules(**(given | changes))


async def bookable(tx: Tx, who: Principal, given: Rules | None = None) -> UUID:
    """A live listing of this seller with these rules."""
    listing_id = decode("lst", (await listings.live(tx, who)).id)
    await service.put(tx, who, listing_id, 0, given or rules())
    return listing_id
