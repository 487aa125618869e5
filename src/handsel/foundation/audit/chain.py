"""The audit chain's arithmetic without a database: the same as ``foundation.audit_hash``.

An entry is hashed as the text of a JSON array (values separated by ", ", characters beyond ASCII as
they are): seq, id, stream, subject, actor, action, body, seconds since 1970 with six decimals. The
body stands in it as PostgreSQL writes jsonb, which is how an export carries it.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

GENESIS = hashlib.sha256(b"handsel").digest()
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EntryLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="entry"):
    """An audit entry and its link in the chain; ``seq`` and ``hash`` are None until it has one."""

    seq: int | None
    hash: Sha256 | None
    id: UUID
    stream: str
    subject_id: UUID | None
    actor_id: UUID | None
    action: str
    body: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]


#: Selects ``line``, an EntryLine as JSON: the entries in the order of the chain, then the unlinked.
EXPORT_SQL = """
SELECT json_build_object('line', 'entry', 'seq', s.seq, 'hash', encode(s.hash, 'hex'), 'id', e.id,
    'stream', e.stream, 'subject_id', e.subject_id, 'actor_id', e.actor_id, 'action', e.action,
    'body', e.body::text,
    'at', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text AS line
  FROM foundation.audit_entries e LEFT JOIN foundation.audit_seals s ON s.entry_id = e.id
 ORDER BY s.seq NULLS LAST, e.id
"""


def entry_hash(previous: bytes, entry: EntryLine) -> bytes:
    """The link of an entry whose predecessor's link is ``previous``."""
    micros = (entry.at - _EPOCH) // timedelta(microseconds=1)
    seconds = f"{micros // 10**6}.{micros % 10**6:06d}"
    parts = [
        str(entry.seq),
        _text(str(entry.id)),
        _text(entry.stream),
        _id(entry.subject_id),
        _id(entry.actor_id),
        _text(entry.action),
        entry.body,
        seconds,
    ]
    return hashlib.sha256(previous + f"[{', '.join(parts)}]".encode()).digest()


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _id(value: UUID | None) -> str:
    return "null" if value is None else f'"{value}"'
