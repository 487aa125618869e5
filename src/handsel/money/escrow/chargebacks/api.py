"""Routes of chargebacks."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.money.escrow.chargebacks import service, views
from handsel.money.escrow.chargebacks.schemas import ChargebackDetail, ChargebackPage, EvidenceInput

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class ChargebackController(Controller):
    """Payments that a bank took back, for their payer and the sellers concerned."""

    path = "/v1/chargebacks"
    tags = ("money",)

    @get(responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> ChargebackPage:
        """Chargebacks that concern you, newest first."""
        async with database.reading() as conn:
            return await views.own(
                conn, principal.member_id, settings.secret_bytes(), cursor, page_size
            )

    @get("/{chargeback_id:str}", responses=documented(401, 404))
    async def read(
        self, chargeback_id: str, principal: Principal, database: Database
    ) -> ChargebackDetail:
        """One of them, with its timeline and what it did to your money."""
        async with database.reading() as conn:
            return await views.one(conn, principal.member_id, decode("cbk", chargeback_id))

    @post("/{chargeback_id:str}/evidence", responses=documented(400, 401, 404, 409, 422))
    async def give_evidence(
        self, chargeback_id: str, data: EvidenceInput, principal: Principal, work: Work
    ) -> Response[ChargebackDetail]:
        """Say, as a seller concerned, why the payment was right. Once, and before it is due."""
        mine = decode("cbk", chargeback_id)

        async def use_case(tx: Tx) -> ChargebackDetail:
            await service.give_evidence(tx, principal, mine, data.text)
            await tx.flush()
            return await views.one(tx.conn, principal.member_id, mine)

        return await work.run(use_case, status=201)

    @post("/{chargeback_id:str}/accept", status_code=200, responses=documented(400, 401, 404, 409))
    async def accept(
        self, chargeback_id: str, principal: Principal, work: Work
    ) -> Response[ChargebackDetail]:
        """Give it up, as the only seller concerned: the bank keeps the money."""
        mine = decode("cbk", chargeback_id)

        async def use_case(tx: Tx) -> ChargebackDetail:
            await service.accept(tx, principal, mine)
            await tx.flush()
            return await views.one(tx.conn, principal.member_id, mine)

        return await work.run(use_case)
