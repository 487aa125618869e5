"""Codes to pay at, over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.orders.pay_here import codes, service
from handsel.deals.orders.pay_here.schemas import (
    CodePaymentInput,
    PayCodeInput,
    PayCodePage,
    PayCodeView,
    PayeeView,
)
from handsel.deals.orders.schemas import OrderView
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]
_SVG = "image/svg+xml"


def _id_of(view: PayCodeView) -> UUID:
    return decode("pco", view.id)


class PayCodeController(Controller):
    """What a seller shows to be paid on the spot."""

    path = "/v1/pay-codes"
    tags = ("pay codes",)

    @post(responses=documented(400, 401, 403, 404, 409, 422))
    async def make(
        self, data: PayCodeInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[PayCodeView]:
        """Make a code to be paid at. Print the picture at `qr`, or show it."""
        return await work.run(lambda tx: codes.make(tx, settings, principal, data), status=201)

    @get(responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> PayCodePage:
        """Your codes, newest first."""
        scope = f"pay-codes:{principal.member_id}"
        pages = IdPages(settings.secret_bytes(), scope, page_size, _id_of)
        before = pages.before(cursor or None)
        async with database.reading() as conn:
            found = await codes.own(conn, settings, principal, before, page_size + 1)
        items, next_cursor = pages.cut(found)
        return PayCodePage(items=list(items), next_cursor=next_cursor)

    @get("/{code:str}", responses=documented(404, 409))
    async def read(self, code: str, database: Database) -> PayeeView:
        """Who is paid by a code, how much, and what is known of them. For everybody."""
        async with database.reading() as conn:
            return await codes.payee(conn, code)

    @get(
        "/{code:str}/qr.svg",
        media_type=_SVG,
        operation_id="get_pay_code_qr",
        responses=documented(404, 409),
    )
    async def draw(self, code: str, database: Database, settings: Settings) -> Response[bytes]:
        """The code as a picture."""
        async with database.reading() as conn:
            return Response(content=await codes.drawn(conn, settings, code), media_type=_SVG)

    @post("/{code:str}/revoke", status_code=200, responses=documented(400, 401, 404, 422))
    async def revoke(
        self, code: str, principal: Principal, settings: Settings, work: Work
    ) -> Response[PayCodeView]:
        """Take a code out of use, for good. What was paid stays paid."""
        return await work.run(lambda tx: codes.revoke(tx, settings, principal, code))

    @post("/{code:str}/payments", responses=documented(400, 401, 403, 404, 409, 422))
    async def pay(
        self, code: str, data: CodePaymentInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Pay at a code. It is an order: fund it, and for a short time you may revoke it."""
        return await work.run(lambda tx: service.pay(tx, principal, code, data), status=201)
