"""The sandbox's clock: deadlines of weeks, reached in a demo without waiting."""

from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from litestar import Controller, Response, get, post
from msgspec import Meta

from handsel.foundation.core.errors import Conflict, Invalid, NotFound
from handsel.foundation.core.schema import Input, View
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

_FARTHEST: Final = timedelta(days=400)
#: All moves together: beyond it dates would leave what calendars and clients can hold.
_FARTHEST_EVER: Final = timedelta(days=36_500)
_NOW: Final = "SELECT foundation.handsel_now()"
_AHEAD: Final = "SELECT ahead FROM foundation.clock"

Duration = Annotated[
    str,
    Meta(
        pattern=r"^P(\d{1,6}D)?(T(\d{1,7}H)?(\d{1,9}M)?(\d{1,9}S)?)?$",
        max_length=40,
        description="An ISO 8601 duration in days, hours, minutes and seconds.",
        examples=["PT36H", "P14D"],
    ),
]


class ClockAdvance(Input):
    """How far the clock moves forward: more than nothing, at most 400 days at once."""

    advance: Duration


class ClockView(View):
    """The business time, and how far it is ahead of the machine's."""

    now: datetime
    ahead: timedelta


class SandboxController(Controller):
    path = "/v1/sandbox"
    tags = ("sandbox",)

    @get("/clock", responses=documented(404))
    async def read_clock(self, settings: Settings, database: Database) -> ClockView:
        """The business time. Only in sandbox mode."""
        _only_in_sandbox(settings)
        async with database.reading() as conn:
            return ClockView(now=await conn.fetchval(_NOW), ahead=await conn.fetchval(_AHEAD))

    @post(
        "/clock",
        responses=documented(400, 404, 409, 422),
        status_code=200,
    )
    async def advance_clock(
        self, data: ClockAdvance, settings: Settings, free_work: Work
    ) -> Response[ClockView]:
        """Move the business time forward, for everybody; it never goes back. Only in sandbox mode:
        deadlines fall due and the worker sweeps them a moment later."""
        _only_in_sandbox(settings)
        by = _duration(data.advance)

        async def use_case(tx: Tx) -> ClockView:
            now = await tx.fetchval("SELECT foundation.advance_clock($1)", by)
            ahead = await tx.fetchval(_AHEAD)
            if ahead > _FARTHEST_EVER:
                raise Conflict("this clock is a century ahead already; `make reset` sets it back")
            return ClockView(now=now, ahead=ahead)

        return await free_work.run(use_case)


def _only_in_sandbox(settings: Settings) -> None:
    if not settings.sandbox:
        raise NotFound("there is a movable clock only in sandbox mode")


def _duration(text: str) -> timedelta:
    try:
        by = msgspec.convert(text, timedelta)
    except msgspec.ValidationError:
        raise _refused(f"{text!r} is not an ISO 8601 duration such as PT36H") from None
    if not timedelta(0) < by <= _FARTHEST:
        raise _refused("the clock moves forward, by at most 400 days at once")
    return by


def _refused(detail: str) -> Invalid:
    return Invalid(detail, errors=[{"pointer": "/advance", "detail": detail}])
