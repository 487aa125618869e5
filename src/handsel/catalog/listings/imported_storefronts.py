"""Storefronts of an import: one for each key of the mapping, each owned by a sandbox member."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

import msgspec

from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.people.members import service as members
from handsel.people.members.schemas import Kind

_HANDLE_MAX = 30
_VERIFIED: tuple[Kind, ...] = ("email", "phone", "id_document", "bank_account")
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")

Key = tuple[str, ...]


class Shop(msgspec.Struct, frozen=True):
    """A storefront and its owner."""

    storefront_id: UUID
    member_id: UUID


async def load(tx: Tx, mapping: str) -> dict[Key, Shop]:
    """The storefronts that earlier imports by this mapping made."""
    rows = await tx.fetch(
        """SELECT i.key, s.id, s.member_id FROM catalog.imported_storefronts i
           JOIN catalog.storefronts s ON s.id = i.storefront_id WHERE i.mapping = $1""",
        mapping,
    )
    return {tuple(row["key"]): Shop(row["id"], row["member_id"]) for row in rows}


async def make(tx: Tx, mapping: str, keys: Iterable[Key]) -> dict[Key, Shop]:
    """New storefronts with new sandbox members, who are verified (so they can be paid) and cannot
    log in. Handles come from the key, so a fresh database gets the same ones."""
    wanted = sorted(set(keys))
    handles = await _handles(tx, mapping, wanted)
    bio = f"Imported sample data ({mapping}); nobody answers here."
    owners = await members.create_sandbox_members(
        tx,
        [
            members.SandboxMember(handle=h, joined_at=tx.now, bio=bio, verifications=_VERIFIED)
            for h in handles
        ],
    )
    titles = [" · ".join(part for part in key if part) or mapping for key in wanted]
    rows = await tx.fetch(
        """INSERT INTO catalog.storefronts (member_id, handle, title, about, created_at)
           SELECT f.owner, f.handle, f.title, $4, $5
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS f (owner, handle, title)
           RETURNING id, member_id""",
        owners,
        handles,
        titles,
        bio,
        tx.now,
    )
    by_owner = {row["member_id"]: row["id"] for row in rows}
    shops = {k: Shop(by_owner[o], o) for k, o in zip(wanted, owners, strict=True)}
    await tx.conn.copy_records_to_table(
        "imported_storefronts",
        schema_name="catalog",
        columns=("mapping", "key", "storefront_id"),
        records=[(mapping, list(key), shop.storefront_id) for key, shop in shops.items()],
    )
    return shops


async def _handles(tx: Tx, mapping: str, keys: list[Key]) -> list[str]:
    """A handle for each key: readable, and with a digest where that would be taken."""
    given: list[str] = []
    for key in keys:
        handle = handle_of(key)
        if handle in given or await _is_taken(tx, handle):
            handle = handle_of(key, _digest(mapping, *key))
        given.append(handle)
    return given


async def _is_taken(tx: Tx, handle: str) -> bool:
    try:
        await members.find(tx, handle)
    except NotFound:
        return False
    return True


def handle_of(key: Key, digest: str = "") -> str:
    """``("Old Town", "GBP")`` is ``old-town-gbp``. What is too long for a handle is cut and gets a
    digest; what has no Latin letter is a digest alone."""
    head, tail = _slug(" ".join(key[:-1])), _slug(key[-1]) if key else ""
    whole = "-".join(part for part in (head, digest, tail) if part)
    if len(whole) > _HANDLE_MAX or not head:
        digest = digest or _digest(*key)
        room = _HANDLE_MAX - len(digest) - len(tail) - 2
        whole = "-".join(part for part in (head[:room].strip("-"), digest, tail) if part)
    if not whole[0].isalpha():
        whole = f"s-{whole}"[:_HANDLE_MAX].strip("-")
    return whole


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return _NOT_PLAIN.sub("-", plain).strip("-")[:60]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:6]
