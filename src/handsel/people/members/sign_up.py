"""New members: one at a time over the API, in bulk for the sample town and for imports."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.people.members import (
    codes,
    contacts,
    facts,
    limits,
    passwords,
    policy,
    queries,
    sessions,
)
from handsel.people.members.errors import HandleTaken, WeakPassword, slow_down
from handsel.people.members.schemas import (
    CodeSent,
    Device,
    MemberCreate,
    SandboxMember,
    SessionOpened,
)


class Contact(NamedTuple):
    """How to reach a member: one of the two."""

    email: str | None
    phone: str | None


async def send_phone_code(tx: Tx, settings: Settings, phone: str, device: Device) -> CodeSent:
    """A code by SMS to whoever wants to join; the same answer for a number that has an account."""
    to = contacts.require_phone(phone)
    expires_at = await codes.send(tx, settings, "sign_up", ("sms", to), None, device.address)
    return CodeSent(expires_at=expires_at)


async def sign_up(
    database: Database, settings: Settings, data: MemberCreate, device: Device
) -> SessionOpened:
    """A new member, logged in. The costly hash is made while no connection is held.

    Raises ``HandleTaken``, ``ContactUnavailable`` (409), ``WeakPassword``, ``CodeRefused`` (422).
    """
    contact = _contact(data)
    password = policy.normal_password(data.password)
    reason = policy.weakness(password, data.handle, contact.email or contact.phone or "")
    if reason:
        raise WeakPassword(reason)
    await _admit(database, settings, data.handle, device)
    code_id: UUID | None = None
    if contact.phone is not None and data.code is not UNSET:
        code_id = await codes.attempt(database, settings, "sign_up", contact.phone, None, data.code)
    stored = await passwords.hash_password(password)
    async with database.transaction() as tx:
        member_id = await _insert(tx, data.handle, contact, stored)
        if code_id is not None:
            await codes.use(tx, code_id)
            await facts.record_passed(tx, member_id, "phone")
        address = sessions.fingerprint(settings, device.address)
        return await sessions.open_session(tx, member_id, label=device.label, address_hmac=address)


async def create_sandbox_members(tx: Tx, specs: Sequence[SandboxMember]) -> list[UUID]:
    """Many members in two statements, ids in the order of the specs; no events are emitted.

    Raises ``HandleTaken`` when one of the handles exists.
    """
    rows = await tx.fetch(
        """
        INSERT INTO people.members (handle, password_hash, bio, is_sandbox, joined_at)
        SELECT s.handle, s.password_hash, s.bio, true, s.joined_at
          FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
               AS s (handle, password_hash, bio, joined_at)
        RETURNING handle, id
        """,
        [spec.handle for spec in specs],
        [spec.password_hash for spec in specs],
        [spec.bio for spec in specs],
        [spec.joined_at for spec in specs],
    )
    by_handle: dict[str, UUID] = {row["handle"]: row["id"] for row in rows}
    ids = [by_handle[spec.handle] for spec in specs]
    proven = [
        (member_id, spec.joined_at, kind)
        for member_id, spec in zip(ids, specs, strict=True)
        for kind in spec.verifications
    ]
    await tx.execute(
        """
        INSERT INTO people.verifications
            (member_id, kind, state, reference, created_at, passed_at)
        SELECT v.member_id, v.kind, 'passed', 'sandbox:seed', v.at, v.at
          FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS v (member_id, kind, at)
        """,
        [member_id for member_id, _, _ in proven],
        [kind for _, _, kind in proven],
        [at for _, at, _ in proven],
    )
    return ids


def _contact(data: MemberCreate) -> Contact:
    if data.email is not UNSET:
        return Contact(contacts.require_email(data.email), None)
    assert data.phone is not UNSET  # the struct takes exactly one
    return Contact(None, contacts.require_phone(data.phone))


async def _admit(database: Database, settings: Settings, handle: str, device: Device) -> None:
    """Cheap refusals before the dear hash. The unique constraint decides between two that race."""
    address = sessions.fingerprint(settings, device.address).hex()
    async with database.transaction() as tx:
        exceeded = await limits.hit(tx, (policy.SIGN_UP_ADDRESS, address))
        taken = await queries.handle_exists(tx.conn, handle)
    if exceeded:
        raise slow_down("sign-ups from this address", exceeded[0].wait)
    if taken or handle in policy.RESERVED_HANDLES:
        raise HandleTaken


async def _insert(tx: Tx, handle: str, contact: Contact, password_hash: str) -> UUID:
    member_id: UUID = await tx.fetchval(
        "INSERT INTO people.members (handle, email, phone, password_hash, joined_at)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING id",
        handle,
        contact.email,
        contact.phone,
        password_hash,
        tx.now,
    )
    tx.emit("member.joined", member_id, {"member_id": member_id, "handle": handle})
    return member_id
