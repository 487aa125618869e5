"""Who asks. The look-up of a session belongs to members; here is only its shape and its place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.datastructures import State

from handsel.foundation.core.errors import Forbidden, Unauthenticated

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Principal:
    """A member with a live session."""

    member_id: UUID
    session_id: UUID
    handle: str
    is_staff: bool = False


class StaffOnly(Forbidden):
    """This is for the staff"""

    code = "staff_only"


#: From a bearer token to its principal, or None. Set on ``app.state.authenticate`` by front/api.
Authenticate = Callable[[str], Awaitable[Principal | None]]


async def provide_principal(request: Request[Any, Any, State]) -> Principal:
    """The caller. Raises ``Unauthenticated`` (401)."""
    principal = await provide_visitor(request)
    if principal is None:
        raise Unauthenticated
    return principal


async def provide_staff(principal: Principal) -> Principal:
    """The caller, who is of the staff. Raises ``StaffOnly`` (403)."""
    if not principal.is_staff:
        raise StaffOnly
    return principal


async def provide_visitor(request: Request[Any, Any, State]) -> Principal | None:
    """The caller, or None without a token. A bad token is refused also where none is needed."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the Authorization header must be: Bearer <token>")
    authenticate: Authenticate = request.app.state.authenticate
    principal = await authenticate(token.strip())
    if principal is None:
        raise Unauthenticated("this session has ended")
    return principal
