"""``/v1/trust`` and ``/v1/confirmations``."""

from litestar import Controller, get, post
from litestar.datastructures import CacheControlHeader

from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.people.trust import service
from handsel.people.trust.schemas import (
    CheckInput,
    CheckView,
    ConfirmationInput,
    ConfirmationView,
    PolicyView,
    TrustView,
)

_PRIVATE = CacheControlHeader(no_store=True)


class TrustController(Controller):
    """My tier, the public table, and the question "may I?"."""

    path = "/v1/trust"
    tags = ("trust",)

    @get(responses=documented(401), cache_control=_PRIVATE)
    async def read(self, principal: Principal, database: Database) -> TrustView:
        """My tier, why, what it allows, what is left of it, and the way to the next one."""
        async with database.reading() as conn:
            return await service.own_trust(conn, principal.member_id)

    @get("/policy", responses=documented())
    async def policy(self) -> PolicyView:
        """The tier table, the same for everybody. Needs no account."""
        return service.public_policy()

    @post(
        "/checks",
        responses=documented(400, 401, 404, 413, 422),
        status_code=200,
        cache_control=_PRIVATE,
    )
    async def check(self, data: CheckInput, principal: Principal, database: Database) -> CheckView:
        """May I pay this member this much? Moves, reserves and records nothing."""
        return await database.run(lambda tx: service.check(tx, principal.member_id, data))


class ConfirmationController(Controller):
    """The second confirmation of a payment."""

    path = "/v1/confirmations"
    tags = ("trust",)

    @post(responses=documented(400, 401, 403, 404, 413, 422, 429), cache_control=_PRIVATE)
    async def create(
        self, data: ConfirmationInput, principal: Principal, database: Database
    ) -> ConfirmationView:
        """Confirm payee, amount and terms with the password: a token for one use in five minutes.

        Takes no Idempotency-Key, since answers under a key are stored and a token must not be.
        """
        return await database.run(lambda tx: service.confirm(tx, principal.member_id, data))
