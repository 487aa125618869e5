"""Check an export without any database: both chains, every transfer, every balance, the anchor.

It shares no code with what the database runs; it reads the file once, line by line, and keeps the
balances and the block at hand.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from handsel.foundation.audit.chain import GENESIS as AUDIT_GENESIS
from handsel.foundation.audit.chain import EntryLine, entry_hash
from handsel.money.ledger.chain import (
    ACTION,
    FORMAT,
    GENESIS,
    STREAM,
    AccountLine,
    Anchor,
    EndLine,
    HeadLine,
    SealLine,
    TransferLine,
    block_hash,
    row_hash,
)

Line = HeadLine | SealLine | TransferLine | AccountLine | EntryLine | EndLine
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does not hold. ``where`` names the row, the block or the account."""

    where: str
    what: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and what is wrong with it."""

    blocks: int
    transfers: int
    unsealed: int
    accounts: int
    entries: int
    findings: list[Finding]


class _Ledger:
    """The blocks and the transfers in them."""

    def __init__(self, report: list[Finding]) -> None:
        self._report = report
        self._block = 0
        self._last_seq = 0
        self._previous = GENESIS
        self._missing: dict[int, str] = {}
        self._known: frozenset[str] = frozenset()
        self.hashes: dict[int, str] = {}
        self.entries: dict[str, int] = {}  # entry id to block, until the entry is read
        self.transfers = self.sealed = self.unsealed = 0

    def seal(self, seal: SealLine) -> None:
        self.close_block()
        where = f"block {seal.block}"
        if seal.block != self._block + 1 or seal.first_seq != self._last_seq + 1:
            self._say(where, f"does not follow block {self._block}")
        if seal.format != FORMAT:
            self._say(where, f"has the unknown format {seal.format}")
        if block_hash(self._previous, seal).hex() != seal.hash:
            self._say(where, "its hash does not follow from its content and the block before")
        self._block, self._last_seq = seal.block, seal.last_seq
        self._previous = bytes.fromhex(seal.hash)
        self._missing = dict(zip(seal.seqs, seal.row_hashes, strict=False))
        self._known = frozenset(seal.row_hashes)
        self.hashes[seal.block] = seal.hash
        self.entries[str(seal.entry_id)] = seal.block
        self.sealed += len(seal.seqs)

    def transfer(self, row: TransferLine) -> None:
        self.transfers += 1
        if row.seq > self._last_seq:
            self.unsealed += 1
            return
        found, sealed = row_hash(row), self._missing.pop(row.seq, None)
        if found == sealed:
            return
        if found in self._known:
            what = "reordered: it was sealed in another place"
        else:
            what = "inserted among the sealed ones" if sealed is None else "altered"
        self._say(f"block {self._block}, transfer {row.seq} {row.id}", what)

    def close_block(self) -> None:
        """What a block sealed and no line of it showed."""
        for seq in self._missing:
            self._say(f"block {self._block}, transfer {seq}", "missing")
        self._missing = {}

    def entry(self, entry: EntryLine) -> None:
        if (entry.stream, entry.action) != (STREAM, ACTION):
            return
        block = self.entries.pop(str(entry.id), None)
        told = _told(entry.body)
        if block is None or told.hash != self.hashes[block]:
            where = f"block {block or told.block}"
            self._say(where, "the audit chain knows it with another hash")

    def end(self) -> None:
        for block in self.entries.values():
            self._say(f"block {block}", "the audit chain does not know it")

    def _say(self, where: str, what: str) -> None:
        self._report.append(Finding(where=where, what=what))


class _Told(msgspec.Struct, frozen=True):
    """What the audit chain says of a block."""

    block: int | None = None
    hash: str | None = None


def _told(body: str) -> _Told:
    try:
        return msgspec.json.decode(body, type=_Told)
    except msgspec.DecodeError:
        return _Told()


class _Balances:
    """Every account's balance, computed again from the transfers."""

    def __init__(self, report: list[Finding]) -> None:
        self._report = report
        self._sums: defaultdict[str, int] = defaultdict(int)
        self._after: defaultdict[str, int] = defaultdict(int)
        self._units: defaultdict[str, int] = defaultdict(int)
        self.accounts = 0

    def transfer(self, row: TransferLine) -> None:
        self._side(row, row.debit_account, -row.amount, row.debit_balance)
        self._side(row, row.credit_account, row.amount, row.credit_balance)

    def _side(self, row: TransferLine, account: str, delta: int, after: int | None) -> None:
        self._sums[account] += delta
        if after is None:
            return
        if after != self._after[account] + delta:
            what = f"the balance of account {account} after it does not follow from the one before"
            self._report.append(Finding(where=f"transfer {row.seq} {row.id}", what=what))
        self._after[account] = after

    def account(self, line: AccountLine) -> None:
        self.accounts += 1
        balance = self._sums.pop(line.id, 0)
        self._units[line.unit] += balance
        if not line.folded and balance != line.balance:
            what = f"its balance is {line.balance}, its transfers say {balance}"
            where = f"account {line.kind} {line.id} of {line.owner_id} in {line.unit}"
            self._report.append(Finding(where=where, what=what))

    def end(self) -> None:
        for account in self._sums:
            self._report.append(Finding(where=f"account {account}", what="missing"))
        for unit, total in self._units.items():
            if total:
                what = f"all balances sum to {total}, not to zero"
                self._report.append(Finding(where=f"unit {unit}", what=what))


class _Audit:
    """The audit chain."""

    def __init__(self, report: list[Finding]) -> None:
        self._report = report
        self._previous = AUDIT_GENESIS
        self.seq = self.entries = 0

    def entry(self, entry: EntryLine, anchor: Anchor | None) -> None:
        self.entries += 1
        if entry.seq is None or entry.hash is None:
            return
        where = f"audit entry {entry.seq} {entry.id}"
        if entry.seq != self.seq + 1:
            what = f"audit entries {self.seq + 1} to {entry.seq - 1} are missing"
            self._report.append(Finding(where=where, what=what))
        elif entry_hash(self._previous, entry).hex() != entry.hash:
            self._report.append(Finding(where=where, what="altered"))
        if anchor and entry.seq == anchor.audit_seq and entry.hash != anchor.audit_hash:
            self._report.append(Finding(where=where, what="the anchor knows another hash"))
        self.seq, self._previous = entry.seq, bytes.fromhex(entry.hash)


def verify(source: Iterable[Line], anchor: Anchor | None = None) -> Verdict:
    """Check the lines of an export; ``anchor`` is what an earlier moment vouches for."""
    report: list[Finding] = []
    ledger, balances, audit = _Ledger(report), _Balances(report), _Audit(report)
    ended = False
    for count, line in enumerate(source, 1):
        match line:
            case SealLine():
                ledger.seal(line)
            case TransferLine():
                ledger.transfer(line)
                balances.transfer(line)
            case AccountLine():
                balances.account(line)
            case EntryLine():
                audit.entry(line, anchor)
                ledger.entry(line)
            case EndLine():
                ended = line.lines == count
            case HeadLine():
                pass
    ledger.close_block()
    if ended:
        ledger.end()
        balances.end()
    else:
        report.append(Finding(where="file", what="it is cut off, or lines were taken out of it"))
    if anchor:
        report.extend(_against(anchor, ledger, audit))
    return Verdict(
        blocks=len(ledger.hashes),
        transfers=ledger.transfers,
        unsealed=ledger.unsealed,
        accounts=balances.accounts,
        entries=audit.entries,
        findings=report,
    )


def _against(anchor: Anchor, ledger: _Ledger, audit: _Audit) -> Iterator[Finding]:
    """What the anchor vouches for and the file does not have."""
    known = ledger.hashes.get(anchor.ledger_block)
    if anchor.ledger_block and known is None:
        what = f"cut off: the anchor knows block {anchor.ledger_block}"
        yield Finding(where="ledger", what=f"{what}, the last one here is {len(ledger.hashes)}")
    elif known is not None and known != anchor.ledger_hash:
        yield Finding(where=f"block {anchor.ledger_block}", what="the anchor knows another hash")
    if ledger.sealed < anchor.transfers:
        what = f"the anchor knows {anchor.transfers} sealed transfers, here are {ledger.sealed}"
        yield Finding(where="ledger", what=what)
    if audit.seq < anchor.audit_seq:
        what = f"cut off: the anchor knows entry {anchor.audit_seq}"
        yield Finding(where="audit", what=f"{what}, the last one here is {audit.seq}")


def verify_file(file: Path, anchor: Anchor | None = None) -> Verdict:
    """Check a file that ``export`` wrote. One that cannot be read to its end is a finding."""
    unreadable: list[Finding] = []
    verdict = verify(_read(file, unreadable), anchor)
    return msgspec.structs.replace(verdict, findings=unreadable + verdict.findings)


def _read(file: Path, unreadable: list[Finding]) -> Iterator[Line]:
    number = 0
    try:
        with gzip.open(file, "rb") as lines:
            for line in lines:
                number += 1
                yield _decoder.decode(line)
    except (EOFError, gzip.BadGzipFile, zlib.error, msgspec.DecodeError) as error:
        unreadable.append(Finding(where=f"file, after line {number}", what=f"unreadable: {error}"))
