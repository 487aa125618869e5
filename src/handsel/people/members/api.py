"""Routes of members. Sign-up and log-in take no Idempotency-Key: an answer with a token in it is
never stored, and repeating them is harmless (the handle is taken, another session is opened)."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.params import QueryParameter

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import IfMatch, Work, etag, expected_version
from handsel.people.members import policy, queries, service
from handsel.people.members.schemas import (
    CodeSent,
    Device,
    EmailCodeRequest,
    LockView,
    LogIn,
    MemberCreate,
    MemberPatch,
    MeView,
    PhoneCodeRequest,
    ProfileView,
    RecoveryCodes,
    RecoveryCodesCreate,
    RecoveryCodesView,
    SandboxMessageList,
    SessionList,
    SessionOpened,
    Unlock,
    UnlockCodeRequest,
    VerificationCreate,
    VerificationList,
    VerificationView,
)

_PRIVATE = CacheControlHeader(no_store=True)
_NO_STORE = {"Cache-Control": "no-store"}


def provide_device(request: Request[Any, Any, State]) -> Device:
    """The peer's address (no header is believed about it) and what it calls itself."""
    address = request.client.host if request.client else ""
    return Device(address=address, label=request.headers.get("user-agent", "")[:200])


_DEVICE = {"device": Provide(provide_device, sync_to_thread=False)}


class MemberController(Controller):
    """Joining, and looking at each other."""

    path = "/v1/members"
    tags = ("members",)
    dependencies = _DEVICE

    @post(responses=documented(400, 409, 413, 422, 429, 503))
    async def sign_up(
        self, data: MemberCreate, device: Device, database: Database, settings: Settings
    ) -> Response[SessionOpened]:
        """Become a member by e-mail address, or by phone and the code sent to it; logs in."""
        opened = await service.sign_up(database, settings, data, device)
        return Response(opened, headers=_NO_STORE)

    @post("/phone-codes", status_code=202, responses=documented(400, 413, 422, 429, 503))
    async def send_phone_code(
        self, data: PhoneCodeRequest, device: Device, free_work: Work, settings: Settings
    ) -> Response[CodeSent]:
        """Send a code by SMS to a number that wants to join."""
        return await free_work.run(
            lambda tx: service.send_phone_code(tx, settings, data.phone, device), status=202
        )

    @get("/{handle:str}", responses=documented(404))
    async def profile(self, handle: str, database: Database) -> ProfileView:
        """A member as everybody sees them."""
        async with database.reading() as conn:
            return await queries.profile(conn, handle)


class SessionController(Controller):
    """Logging in and out, on several devices."""

    path = "/v1/sessions"
    tags = ("sessions",)
    dependencies = _DEVICE

    @post(responses=documented(400, 401, 413, 422, 429, 503))
    async def log_in(
        self, data: LogIn, device: Device, database: Database, settings: Settings
    ) -> Response[SessionOpened]:
        """Open a session by e-mail address, phone or handle, and password."""
        opened = await service.log_in(database, settings, data, device)
        return Response(opened, headers=_NO_STORE)

    @get(responses=documented(401), cache_control=_PRIVATE)
    async def sessions(self, principal: Principal, database: Database) -> SessionList:
        """The devices on which the caller is logged in."""
        async with database.reading() as conn:
            return SessionList(items=await queries.sessions(conn, principal))

    @delete("/{session_id:str}", responses=documented(401, 404))
    async def log_out(self, session_id: str, principal: Principal, database: Database) -> None:
        """End a session at once; `current` is the one that asks.

        Takes no Idempotency-Key: `current` is another session for each that asks.
        """
        await database.run(lambda tx: service.end_session(tx, principal, session_id))


class MeController(Controller):
    """The caller's own account and verified facts."""

    path = "/v1/me"
    tags = ("me",)
    dependencies = _DEVICE

    @get(responses=documented(401))
    async def me(self, principal: Principal, database: Database) -> Response[MeView]:
        """The caller's account."""
        async with database.reading() as conn:
            view = await queries.me(conn, principal.member_id)
        return Response(view, headers={**_NO_STORE, "ETag": etag(view.version)})

    @patch(responses=documented(400, 401, 412, 413, 422, 428))
    async def edit(
        self, data: MemberPatch, principal: Principal, free_work: Work, if_match: IfMatch = None
    ) -> Response[MeView]:
        """Change what one says about oneself."""
        version = expected_version(if_match)
        return await free_work.run(lambda tx: service.edit_me(tx, principal, version, data))

    @post("/email-code", status_code=202, responses=documented(400, 401, 413, 422, 429, 503))
    async def send_email_code(
        self,
        data: EmailCodeRequest,
        principal: Principal,
        device: Device,
        free_work: Work,
        settings: Settings,
    ) -> Response[CodeSent]:
        """Send a code to an e-mail address of one's own."""
        return await free_work.run(
            lambda tx: service.send_email_code(tx, settings, principal, data.email, device),
            status=202,
        )

    @post("/phone-code", status_code=202, responses=documented(400, 401, 413, 422, 429, 503))
    async def send_phone_code(
        self,
        data: PhoneCodeRequest,
        principal: Principal,
        device: Device,
        free_work: Work,
        settings: Settings,
    ) -> Response[CodeSent]:
        """Send a code to a phone of one's own."""
        return await free_work.run(
            lambda tx: service.send_own_phone_code(tx, settings, principal, data.phone, device),
            status=202,
        )

    @post("/verifications", responses=documented(400, 401, 403, 409, 413, 422, 429, 503))
    async def verify(
        self, data: VerificationCreate, principal: Principal, database: Database, settings: Settings
    ) -> Response[VerificationView]:
        """Confirm a fact about oneself; asking again for a confirmed one answers the same."""
        view = await service.verify(database, settings, principal, data)
        return Response(view, headers=_NO_STORE)

    @get("/verifications", responses=documented(401), cache_control=_PRIVATE)
    async def verifications(self, principal: Principal, database: Database) -> VerificationList:
        """The caller's confirmed and pending facts."""
        async with database.reading() as conn:
            return VerificationList(items=await queries.verifications(conn, principal.member_id))


class RecoveryController(Controller):
    """For the day on which somebody else has the caller's session or password."""

    path = "/v1/me"
    tags = ("me",)
    dependencies = _DEVICE

    @post("/recovery-codes", responses=documented(400, 401, 403, 413, 422, 429, 503))
    async def make_codes(
        self,
        data: RecoveryCodesCreate,
        principal: Principal,
        database: Database,
        settings: Settings,
    ) -> Response[RecoveryCodes]:
        """Ten new codes to lock the account with at POST /v1/claims/lock. Older ones are void."""
        made = await database.run(
            lambda tx: service.make_recovery_codes(tx, settings, principal, data.password)
        )
        return Response(made, headers=_NO_STORE)

    @get("/recovery-codes", responses=documented(401), cache_control=_PRIVATE)
    async def codes_left(self, principal: Principal, database: Database) -> RecoveryCodesView:
        """How many recovery codes are left."""
        async with database.reading() as conn:
            return await service.recovery_codes_left(conn, principal.member_id)

    @get("/lock", responses=documented(401), cache_control=_PRIVATE)
    async def lock(self, principal: Principal, database: Database) -> LockView:
        """Whether the caller's account is locked, why, and what to do."""
        async with database.reading() as conn:
            return await service.lock_state(conn, principal.member_id)

    @post("/unlock-code", status_code=202, responses=documented(400, 401, 409, 413, 422, 429, 503))
    async def send_unlock_code(
        self,
        data: UnlockCodeRequest,
        principal: Principal,
        device: Device,
        free_work: Work,
        settings: Settings,
    ) -> Response[CodeSent]:
        """Send a code to a verified contact, to lift a lock with."""
        return await free_work.run(
            lambda tx: service.send_unlock_code(tx, settings, principal, data, device), status=202
        )

    @post("/unlock", status_code=200, responses=documented(400, 401, 403, 409, 413, 422, 429, 503))
    async def unlock(
        self, data: Unlock, principal: Principal, database: Database, settings: Settings
    ) -> Response[LockView]:
        """Lift a lock, as the account's owner."""
        view = await service.unlock(database, settings, principal, data)
        return Response(view, headers=_NO_STORE)


class SandboxMessageController(Controller):
    """What the sandbox's providers would have sent. Absent outside of sandbox mode."""

    path = "/v1/sandbox/messages"
    tags = ("sandbox",)

    @get(responses=documented(404, 422), cache_control=_PRIVATE)
    async def messages(
        self,
        database: Database,
        settings: Settings,
        to: Annotated[str, QueryParameter(description="A phone number or an e-mail address.")],
    ) -> SandboxMessageList:
        """The newest texts to a phone number or an e-mail address."""
        if not settings.sandbox:
            raise NotFound
        recipient = policy.normal_email(to) or policy.normal_phone(to) or to
        async with database.reading() as conn:
            return SandboxMessageList(items=await queries.sandbox_messages(conn, recipient))
