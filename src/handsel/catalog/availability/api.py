"""Routes of availability, free times and calendars."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, Response, get, post, put
from litestar.params import QueryParameter

from handsel.catalog.availability import feeds, service
from handsel.catalog.availability.schemas import (
    AvailabilityView,
    CalendarFeedView,
    CalendarImportInput,
    CalendarImportList,
    CalendarImportView,
    Rules,
    SlotList,
)
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Answer, IfMatch, Work, etag, expected_version

_From = Annotated[
    datetime | None,
    QueryParameter(name="from", description="With its offset from UTC; now by default."),
]
_To = Annotated[
    datetime | None,
    QueryParameter(name="to", description="At most 92 days later; 14 days by default."),
]


class AvailabilityController(Controller):
    path = "/v1/listings/{listing_id:str}"
    tags = ("availability",)

    @get("/availability", responses=documented(401, 404))
    async def read_availability(
        self, listing_id: str, visitor: Principal | None, database: Database
    ) -> Response[AvailabilityView]:
        """When a listing can be booked: hours on the wall, in its time zone."""
        async with database.reading() as conn:
            view = await service.read(conn, visitor, decode("lst", listing_id))
        return Response(view, headers={"ETag": etag(view.version)})

    @put("/availability", responses=documented(400, 401, 404, 409, 412, 422, 428))
    async def put_availability(
        self,
        listing_id: str,
        data: Rules,
        principal: Principal,
        free_work: Work,
        if_match: IfMatch = None,
    ) -> Response[AvailabilityView]:
        """Replace the rules; If-Match is their ETag, `"0"` where there are none yet. Bookings keep
        their time."""
        key, expected = decode("lst", listing_id), expected_version(if_match)

        async def use_case(tx: Tx) -> Answer[AvailabilityView]:
            view = await service.put(tx, principal, key, expected, data)
            return Answer(view, view.version)

        return await free_work.run(use_case)

    @get("/slots", responses=documented(400, 401, 404, 422))
    async def list_slots(
        self,
        listing_id: str,
        visitor: Principal | None,
        database: Database,
        start: _From = None,
        end: _To = None,
    ) -> SlotList:
        """The times that can be booked now, and how many units are free. No account is needed."""
        key = decode("lst", listing_id)
        async with database.reading() as conn:
            return await service.free(conn, visitor, key, start, end)

    @get("/calendar-imports", responses=documented(401, 404))
    async def list_calendar_imports(
        self, listing_id: str, principal: Principal, database: Database
    ) -> CalendarImportList:
        """The calendars that close your listing while you are busy elsewhere."""
        async with database.reading() as conn:
            return await feeds.imports(conn, principal, decode("lst", listing_id))

    @post("/calendar-imports", responses=documented(400, 401, 404, 409, 422), status_code=200)
    async def import_calendar(
        self, listing_id: str, data: CalendarImportInput, principal: Principal, work: Work
    ) -> Response[CalendarImportView]:
        """Close a listing while you are busy elsewhere: the text of an .ics file. It takes the
        place of what came from the same source before; an empty calendar opens again."""
        key = decode("lst", listing_id)
        return await work.run(lambda tx: feeds.take_in(tx, principal, key, data))


class CalendarController(Controller):
    path = "/v1"
    tags = ("availability",)

    @post("/me/calendar-feed", responses=documented(400, 401, 409, 422), status_code=201)
    async def rotate_calendar_feed(
        self, principal: Principal, free_work: Work
    ) -> Response[CalendarFeedView]:
        """A new secret address under which your calendar program reads your bookings; it is shown
        once, and the old one is gone."""
        return await free_work.run(lambda tx: feeds.rotate(tx, principal), status=201)

    @get(
        "/calendars/{file:str}",
        media_type="text/calendar",
        responses=documented(404),
    )
    async def read_calendar_feed(self, file: str, database: Database) -> Response[bytes]:
        """A seller's confirmed bookings as iCalendar (`{secret}.ics`); the address is secret."""
        async with database.reading() as conn:
            body = await feeds.feed(conn, file.removesuffix(".ics"))
        return Response(body, media_type="text/calendar", headers={"Cache-Control": "no-store"})
