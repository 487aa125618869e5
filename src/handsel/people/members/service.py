"""What other rooms and the API may ask of members. Verbs that take a ``Database`` instead of a
transaction have steps that must commit one by one: a try is counted before it is judged."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg
from msgspec import UNSET

from handsel.foundation.core.errors import Stale
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import contacts, facts, queries
from handsel.people.members.facts import recheck_due, verify
from handsel.people.members.limits import enforce
from handsel.people.members.locks import end as end_lock
from handsel.people.members.locks import (
    has_contact,
    require_secured,
    require_unfrozen,
    require_unlocked,
    unlock,
)
from handsel.people.members.locks import lock as lock_account
from handsel.people.members.locks import send_code as send_unlock_code
from handsel.people.members.locks import state as lock_state
from handsel.people.members.log_in import log_in, prove_password
from handsel.people.members.passwords import hash_password
from handsel.people.members.policy import Limit
from handsel.people.members.recovery import judge as judge_lock_request
from handsel.people.members.recovery import make_codes as make_recovery_codes
from handsel.people.members.recovery import remaining as recovery_codes_left
from handsel.people.members.recovery import request_lock
from handsel.people.members.schemas import (
    CodeSent,
    Device,
    MemberPatch,
    MemberRef,
    MeView,
    SandboxMember,
)
from handsel.people.members.sessions import authenticate, end_session, open_session
from handsel.people.members.sign_up import create_sandbox_members, send_phone_code, sign_up
from handsel.people.members.telling import tell_contacts

__all__ = [
    "Limit",
    "MemberRef",
    "SandboxMember",
    "account_of",
    "authenticate",
    "by_ids",
    "create_sandbox_members",
    "edit_me",
    "end_lock",
    "end_session",
    "enforce",
    "find",
    "find_staff",
    "has_contact",
    "hash_password",
    "judge_lock_request",
    "lock_account",
    "lock_state",
    "log_in",
    "make_recovery_codes",
    "open_session",
    "prove_password",
    "prune",
    "recheck_due",
    "recovery_codes_left",
    "request_lock",
    "require_secured",
    "require_unfrozen",
    "require_unlocked",
    "send_email_code",
    "send_own_phone_code",
    "send_phone_code",
    "send_unlock_code",
    "sign_up",
    "tell_contacts",
    "unlock",
    "verify",
]


async def find(tx: Tx, handle: str) -> MemberRef:
    """The member with this handle. Raises ``NotFound``."""
    return await queries.ref(tx.conn, handle)


async def find_staff(tx: Tx, handle: str) -> UUID | None:
    """The member of staff with this handle."""
    found: UUID | None = await tx.fetchval(
        "SELECT id FROM people.members WHERE handle = $1 AND is_staff", handle
    )
    return found


async def by_ids(conn: asyncpg.Connection, ids: Iterable[UUID]) -> dict[UUID, MemberRef]:
    """Members by id, in one query; unknown ids are absent."""
    return await queries.refs(conn, ids)


async def account_of(conn: asyncpg.Connection, member_id: UUID) -> MeView:
    """An account as its owner sees it: for staff who must know one field of it, and say so."""
    return await queries.me(conn, member_id)


async def edit_me(tx: Tx, principal: Principal, version: int, patch: MemberPatch) -> Answer[MeView]:
    """Change what a member says about themselves. Raises ``Stale`` (412)."""
    bio = None if patch.bio is UNSET else patch.bio
    tag = await tx.execute(
        "UPDATE people.members SET bio = coalesce($3, bio), version = version + 1"
        " WHERE id = $1 AND version = $2",
        principal.member_id,
        version,
        bio,
    )
    if tag != "UPDATE 1":
        raise Stale
    view = await queries.me(tx.conn, principal.member_id)
    return Answer(view, version=view.version)


async def send_email_code(
    tx: Tx, settings: Settings, principal: Principal, email: str, device: Device
) -> CodeSent:
    """A code to an e-mail address that the caller says is theirs."""
    to = contacts.require_email(email)
    return await facts.send_code(tx, settings, principal, ("mail", to), device)


async def send_own_phone_code(
    tx: Tx, settings: Settings, principal: Principal, phone: str, device: Device
) -> CodeSent:
    """A code to a number that the caller says is theirs."""
    to = contacts.require_phone(phone)
    return await facts.send_code(tx, settings, principal, ("sms", to), device)


async def prune(conn: asyncpg.Connection, limit: int = 5000) -> int:
    """Forget codes and limits that are over, a bounded number; returns how many. For the sweep."""
    codes = await conn.execute(
        "DELETE FROM people.codes WHERE id IN (SELECT id FROM people.codes"
        " WHERE expires_at < foundation.handsel_now() - interval '1 day' LIMIT $1)",
        limit,
    )
    windows = await conn.execute(
        "DELETE FROM people.limits WHERE key IN (SELECT key FROM people.limits"
        " WHERE ends_at < foundation.handsel_now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
    return int(codes.split()[-1]) + int(windows.split()[-1])
