"""Routes of claims."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.params import QueryParameter

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.money.protection import queries, service
from handsel.money.protection.schemas import (
    ClaimInput,
    ClaimPage,
    ClaimView,
    FundView,
    WithdrawInput,
)
from handsel.people.members import service as members
from handsel.people.members.api import provide_device
from handsel.people.members.schemas import Device, LockRequest, LockRequested

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]
_PRIVATE = CacheControlHeader(no_store=True)


class ClaimController(Controller):
    """Money that was lost through a stolen account: we make it good."""

    path = "/v1/claims"
    tags = ("claims",)

    @post(responses=documented(400, 401, 403, 404, 409, 413, 422, 429))
    async def file(self, data: ClaimInput, principal: Principal, work: Work) -> Response[ClaimView]:
        """File a claim. The account is locked and payouts are stopped at once; money still reaches
        it. Without the password every session ends, also this one."""
        return await work.run(lambda tx: service.file(tx, principal, data), status=201)

    @get(responses=documented(400, 401, 422), cache_control=_PRIVATE)
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> ClaimPage:
        """Your claims, newest first."""
        async with database.reading() as conn:
            return await queries.own(
                conn, settings.secret_bytes(), principal.member_id, cursor, page_size
            )

    @get("/fund")
    async def fund(self, database: Database) -> FundView:
        """The protection fund against all open claims, measured every minute. Public."""
        async with database.reading() as conn:
            return await queries.fund(conn)

    @post(
        "/lock",
        status_code=202,
        responses=documented(400, 401, 413, 422, 429),
        dependencies={"device": Provide(provide_device, sync_to_thread=False)},
    )
    async def lock(
        self, data: LockRequest, device: Device, free_work: Work, settings: Settings
    ) -> Response[LockRequested]:
        """Lock an account without a session, by its verified phone number and a recovery code. The
        answer is the same whatever is right."""
        return await free_work.run(
            lambda tx: members.request_lock(tx, settings, data, device), status=202
        )

    @get("/{claim_id:str}", responses=documented(401, 404), cache_control=_PRIVATE)
    async def read(self, claim_id: str, principal: Principal, database: Database) -> ClaimView:
        """One of your claims, with its timeline and what happens next."""
        async with database.reading() as conn:
            return await queries.one(conn, decode("clm", claim_id), principal.member_id)

    @post(
        "/{claim_id:str}/withdraw",
        status_code=200,
        responses=documented(400, 401, 403, 404, 409, 413, 422, 429),
    )
    async def withdraw(
        self, claim_id: str, data: WithdrawInput, principal: Principal, work: Work
    ) -> Response[ClaimView]:
        """Take a claim back. Secure the account first; a provisional credit is taken back."""
        mine = decode("clm", claim_id)
        return await work.run(lambda tx: service.withdraw(tx, principal, mine, data.password))
