"""Disputes over HTTP: for their two parties, and for the staff."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import CacheControlHeader
from litestar.params import QueryParameter

from handsel.deals.disputes import desk, service
from handsel.deals.disputes.schemas import (
    DisputeInput,
    DisputeMoveInput,
    DisputePage,
    DisputeSummary,
    DisputeTimeline,
    DisputeView,
    EvidenceInput,
    EvidenceView,
    IdentityField,
    IdentityView,
    PartyRole,
)
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work, etag

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]
Why = Annotated[
    str, QueryParameter(min_length=3, max_length=500, description="Both parties read it.")
]


def _id_of(summary: DisputeSummary) -> UUID:
    return decode("dsp", summary.id)


class DisputeController(Controller):
    """When two people do not agree about an order."""

    path = "/v1"
    tags = ("disputes",)

    @post("/orders/{order:str}/disputes", responses=documented(400, 401, 404, 409, 422))
    async def open(
        self, order: str, data: DisputeInput, principal: Principal, work: Work
    ) -> Response[DisputeView]:
        """Dispute an order: its money waits until this is over. Say why, how you would share what
        waits, and show at least one piece of evidence."""
        order_id = decode("ord", order)
        return await work.run(
            lambda tx: service.open_dispute(tx, principal, order_id, data), status=201
        )

    @get("/disputes", responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> DisputePage:
        """Your disputes on either side, newest first."""
        scope = f"disputes:{principal.member_id}"
        pages = IdPages(settings.secret_bytes(), scope, page_size, _id_of)
        before = pages.before(cursor or None)
        async with database.reading() as conn:
            found = await service.list_own(conn, principal, before, page_size + 1)
        items, next_cursor = pages.cut(found)
        return DisputePage(items=list(items), next_cursor=next_cursor)

    @get("/disputes/{dispute:str}", responses=documented(401, 404))
    async def read(
        self, dispute: str, principal: Principal, database: Database
    ) -> Response[DisputeView]:
        """One of your disputes, with its offers, its evidence and its next deadline."""
        async with database.reading() as conn:
            view = await service.read(conn, principal, decode("dsp", dispute))
        return Response(content=view, headers={"ETag": etag(view.version)})

    @get("/disputes/{dispute:str}/timeline", responses=documented(401, 404))
    async def timeline(
        self, dispute: str, principal: Principal, database: Database
    ) -> DisputeTimeline:
        """Every move, everything that was shown, and everything that staff have looked at."""
        async with database.reading() as conn:
            return await service.timeline(conn, principal, decode("dsp", dispute))

    @post(
        "/disputes/{dispute:str}/moves",
        status_code=200,
        responses=documented(400, 401, 403, 404, 409, 422),
    )
    async def move(
        self, dispute: str, data: DisputeMoveInput, principal: Principal, work: Work
    ) -> Response[DisputeView]:
        """Move a dispute: answer, concede, offer, counter, accept, decline, escalate, agree,
        reject, appeal, withdraw."""
        dispute_id = decode("dsp", dispute)
        return await work.run(lambda tx: service.move(tx, principal, dispute_id, data))

    @post("/disputes/{dispute:str}/evidence", responses=documented(400, 401, 404, 409, 422))
    async def show(
        self, dispute: str, data: EvidenceInput, principal: Principal, work: Work
    ) -> Response[EvidenceView]:
        """Show something more. It stays as it is; an appeal needs some that the ruling did not
        know."""
        dispute_id = decode("dsp", dispute)
        return await work.run(
            lambda tx: service.add_evidence(tx, principal, dispute_id, data), status=201
        )


class DisputeDeskController(Controller):
    """Disputes that wait for the staff."""

    path = "/v1/desk/disputes"
    tags = ("desk",)

    @get(responses=documented(401, 403))
    async def queue(self, staff: Principal, database: Database) -> DisputePage:
        """What waits for the staff, the nearest deadline first."""
        async with database.reading() as conn:
            return await desk.queue(conn, staff)

    @get("/{dispute:str}", responses=documented(401, 403, 404))
    async def read(self, dispute: str, staff: Principal, database: Database) -> DisputeView:
        """A case as the staff see it. Its evidence is named; opening a piece of it is noted."""
        async with database.reading() as conn:
            return await desk.read(conn, staff, decode("dsp", dispute))

    @get("/{dispute:str}/timeline", responses=documented(401, 403, 404))
    async def timeline(self, dispute: str, staff: Principal, database: Database) -> DisputeTimeline:
        """Everything that happened in a case, oldest first."""
        async with database.reading() as conn:
            return await desk.timeline(conn, staff, decode("dsp", dispute))

    @post(
        "/{dispute:str}/moves",
        status_code=200,
        responses=documented(400, 401, 403, 404, 409, 422),
    )
    async def move(
        self, dispute: str, data: DisputeMoveInput, staff: Principal, work: Work
    ) -> Response[DisputeView]:
        """Take a case, propose, refer, rule, rule on an appeal."""
        dispute_id = decode("dsp", dispute)
        return await work.run(lambda tx: desk.move(tx, staff, dispute_id, data))

    @get(
        "/{dispute:str}/evidence/{evidence:str}",
        responses=documented(401, 403, 404),
        cache_control=CacheControlHeader(no_store=True),
    )
    async def open_evidence(
        self, dispute: str, evidence: str, staff: Principal, database: Database
    ) -> EvidenceView:
        """A piece of evidence. Both parties see that you opened it."""
        dispute_id, evidence_id = decode("dsp", dispute), decode("evd", evidence)
        return await database.run(lambda tx: desk.open_evidence(tx, staff, dispute_id, evidence_id))

    @get(
        "/{dispute:str}/identity",
        responses=documented(400, 401, 403, 404, 422),
        cache_control=CacheControlHeader(no_store=True),
    )
    async def reveal(
        self,
        dispute: str,
        staff: Principal,
        database: Database,
        of: PartyRole,
        field: IdentityField,
        why: Why,
    ) -> IdentityView:
        """One field of a party's identity, where the case needs it. Both parties see that you
        looked, and why."""
        dispute_id = decode("dsp", dispute)
        return await database.run(lambda tx: desk.reveal(tx, staff, dispute_id, of, field, why))
