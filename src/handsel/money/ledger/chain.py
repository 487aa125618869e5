"""The ledger's hash chain without a database: the same as ``money.transfer_hash`` and
``money.block_hash``, written a second time, so that an export can be checked anywhere.

Format 1. A transfer's text is a JSON array in the order of ``row_text``, values separated by ", ",
identifiers in lower case, times in UTC with six decimals, what is absent null. A block's hash is

    sha256(hash of the block before
           + "format|block|first_seq|last_seq|seq,seq,…"
           + the 32 bytes of each transfer's hash, in the order of seq)

and the block before the first has the hash of the words "handsel ledger".
"""

import hashlib
import json
from datetime import datetime
from uuid import UUID

import msgspec

from handsel.foundation.audit.chain import Sha256

FORMAT = 1
GENESIS = hashlib.sha256(b"handsel ledger").digest()
#: What the audit chain calls the entry of a block.
STREAM, ACTION = "ledger", "sealed"


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="line"):
    """A line of an export."""


class SealLine(_Line, frozen=True, kw_only=True, tag="seal"):
    """A block: numbers ``first_seq`` to ``last_seq``, of which ``seqs`` are transfers."""

    format: int
    block: int
    first_seq: int
    last_seq: int
    seqs: list[int]
    row_hashes: list[Sha256]
    hash: Sha256
    entry_id: UUID


class TransferLine(_Line, frozen=True, kw_only=True, tag="transfer"):
    """A transfer; texts are as they are hashed."""

    seq: int
    id: str
    unit: str
    debit_account: str
    credit_account: str
    amount: int
    code: str
    reference_id: str
    hold_id: str | None
    reversal_of: str | None
    debit_balance: int | None
    credit_balance: int | None
    debit_restricted: int | None
    credit_restricted: int | None
    booked_at: str
    value_date: str


class AccountLine(_Line, frozen=True, kw_only=True, tag="account"):
    """An account and what the database says it holds (nothing, if it is folded)."""

    id: str
    kind: str
    owner_id: str
    unit: str
    balance: int
    restricted: int
    folded: bool


class HeadLine(_Line, frozen=True, kw_only=True, tag="head"):
    """The first line: what this file is."""

    format: int
    at: datetime
    version: str


class EndLine(_Line, frozen=True, kw_only=True, tag="end"):
    """The last line; without it the file is cut off."""

    lines: int


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """How far both chains went at a moment. Kept elsewhere, it proves that nothing up to there was
    taken away since, which no chain can say of its own tail."""

    audit_seq: int
    audit_hash: str
    ledger_block: int
    ledger_hash: str
    transfers: int
    at: datetime
    version: str


def row_text(row: TransferLine) -> str:
    """What is hashed of a transfer."""
    values = [
        row.id,
        row.unit,
        row.debit_account,
        row.credit_account,
        row.amount,
        row.code,
        row.reference_id,
        row.hold_id,
        row.reversal_of,
        row.debit_balance,
        row.credit_balance,
        row.debit_restricted,
        row.credit_restricted,
        row.booked_at,
        row.value_date,
    ]
    return json.dumps(values, ensure_ascii=False)


def row_hash(row: TransferLine) -> str:
    """Hexadecimal."""
    return hashlib.sha256(row_text(row).encode()).hexdigest()


def block_hash(previous: bytes, seal: SealLine) -> bytes:
    """The hash of a block from its own content and the hash of the one before."""
    seqs = ",".join(map(str, seal.seqs))
    head = f"{seal.format}|{seal.block}|{seal.first_seq}|{seal.last_seq}|{seqs}"
    rows = b"".join(map(bytes.fromhex, seal.row_hashes))
    return hashlib.sha256(previous + head.encode() + rows).digest()
