"""Routes of safety."""

from typing import Annotated

from litestar import Controller, Response, delete, get, post
from litestar.datastructures import CacheControlHeader
from litestar.params import PathParameter

from handsel.deals.safety import service
from handsel.deals.safety.schemas import (
    CheckInInput,
    CheckIns,
    Noted,
    SharedOrder,
    ShareInput,
    ShareList,
    ShareView,
)
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

_PRIVATE = CacheControlHeader(no_store=True)
Secret = Annotated[str, PathParameter(max_length=128, description="A link's secret, or shr_….")]


class SafetyController(Controller):
    """That somebody knows where you are."""

    path = "/v1"
    tags = ("safety",)

    @post("/orders/{order:str}/shares", responses=documented(400, 401, 404, 409, 422))
    async def share(
        self, order: str, data: ShareInput, principal: Principal, work: Work
    ) -> Response[ShareView]:
        """Share an order with somebody you trust, until a day after it is due. The other party
        does not learn of it."""
        mine = decode("ord", order)
        return await work.run(lambda tx: service.share(tx, principal, mine, data), status=201)

    @get("/orders/{order:str}/shares", responses=documented(401, 404), cache_control=_PRIVATE)
    async def shares(self, order: str, principal: Principal, database: Database) -> ShareList:
        """Whom you have shared an order with."""
        async with database.reading() as conn:
            return await service.own_shares(conn, principal, decode("ord", order))

    @delete("/orders/{order:str}/shares/{share:str}", responses=documented(401, 404))
    async def revoke(
        self, order: str, share: str, principal: Principal, database: Database
    ) -> None:
        """Let a link show nothing from now on."""
        mine, gone = decode("ord", order), decode("shr", share)
        await database.run(lambda tx: service.revoke(tx, principal, mine, gone))

    @get("/shared-orders/{secret:str}", responses=documented(401, 404), cache_control=_PRIVATE)
    async def seen(
        self, secret: Secret, visitor: Principal | None, database: Database
    ) -> SharedOrder:
        """What somebody shares with you: by the secret of their link, or by the id that a notice
        of yours names. Without money."""
        async with database.reading() as conn:
            return await service.seen(conn, secret, visitor)

    @post(
        "/orders/{order:str}/check-ins",
        status_code=202,
        responses=documented(400, 401, 404, 409, 422),
    )
    async def check_in(
        self, order: str, data: CheckInInput, principal: Principal, free_work: Work
    ) -> Response[Noted]:
        """Say that you have arrived, or left; the other party and your contacts see it. It moves
        nothing, and counts once."""
        mine = decode("ord", order)
        return await free_work.run(
            lambda tx: service.check_in(tx, principal, mine, data.kind), status=202
        )

    @get("/orders/{order:str}/check-ins", responses=documented(401, 404), cache_control=_PRIVATE)
    async def check_ins(self, order: str, principal: Principal, database: Database) -> CheckIns:
        """Who has come and gone."""
        async with database.reading() as conn:
            return await service.check_ins(conn, principal, decode("ord", order))

    @post("/orders/{order:str}/alarms", status_code=202, responses=documented(400, 401, 404, 422))
    async def raise_alarm(
        self, order: str, principal: Principal, free_work: Work
    ) -> Response[Noted]:
        """Call the house for help in silence. It looks like a check-in, nobody else is told, and
        it appears nowhere."""
        mine = decode("ord", order)
        return await free_work.run(lambda tx: service.raise_alarm(tx, principal, mine), status=202)
