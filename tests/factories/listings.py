"""Members with a session, and listings of theirs, through the services."""

from typing import Any

from handsel.catalog.listings import service
from handsel.catalog.listings.schemas import ListingCreate, OwnListingView, Point, Price
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import NOBODY, Principal
from handsel.people.members import service as members

SECRET = b"s" * 48
#: Edinburgh's Old Town; no other number in an answer looks like these.
OLD_TOWN = (55.949_377, -3.190_113)


async def seller(tx: Tx, handle: str) -> Principal:
    """A new sandbox member."""
    spec = members.SandboxMember(handle=handle, joined_at=tx.now)
    (member_id,) = await members.create_sandbox_members(tx, [spec])
    return Principal(member_id, NOBODY, handle)


async def log_in(database: Database, handle: str) -> dict[str, str]:
    """A new sandbox member with a session: the headers of their requests."""
    async with database.transaction() as tx:
        who = await seller(tx, handle)
        opened = await members.open_session(tx, who.member_id)
    return {"Authorization": f"Bearer {opened.token}"}


def body(**changes: Any) -> dict[str, Any]:
    """The four fields of a listing in the Old Town, as JSON."""
    lat, lon = OLD_TOWN
    return {
        "title": "Maths tutor, school years 5 to 10",
        "category": "school-tutoring",
        "price": {"amount_minor": 2500, "currency": "GBP"},
        "place": {"lat": lat, "lon": lon},
    } | changes


async def draft(tx: Tx, who: Principal, **changes: Any) -> OwnListingView:
    """A draft listing in the Old Town."""
    given: dict[str, Any] = {
        "title": "Maths tutor",
        "category": "school-tutoring",
        "price": Price(amount_minor=2500, currency="GBP"),
        "place": Point(lat=OLD_TOWN[0], lon=OLD_TOWN[1]),
    }
    return await service.create(tx, SECRET, who, ListingCreate(**(given | changes)))


async def live(tx: Tx, who: Principal, **changes: Any) -> OwnListingView:
    """A published listing in the Old Town."""
    made = await draft(tx, who, **changes)
    return await service.move(tx, who, decode("lst", made.id), "publish")
