"""Real listings from a file: ``handsel import listings FILE --mapping NAME``.

A property becomes a live listing of one storefront per key of the mapping (neighbourhood and
currency), owned by a sandbox member; without a price it is a quote. The natural key of a row is
(mapping, stem of the file's name, the file's own id), since ids restart in each file: a second
import of the same file changes nothing, a changed row updates its listing. Everything, the search
documents too, is one transaction: a crash leaves nothing half done.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from handsel.catalog.listings import imported_storefronts as shops
from handsel.catalog.listings import policy
from handsel.catalog.listings.documents import documents_of
from handsel.catalog.listings.errors import TitleLength
from handsel.catalog.listings.imported_rows import Imported, insert, update
from handsel.catalog.listings.schemas import Price
from handsel.foundation.core.errors import UserError
from handsel.foundation.core.money import exponent, known_currencies
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel_search.errors import InvalidMapping
from handsel_search.mapping import BadRow, CsvMapping, MappedRow, read_rows, shipped_mapping
from handsel_search.postgres import copy_upsert

_BATCH = 2000
_LOCK = 73
Progress = Callable[[int], None]
#: A row and the hash of what it says.
Checked = tuple[MappedRow, bytes]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows: ``read`` is the sum of the other four."""

    read: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: list[BadRow] = []


class _Refused(Exception):
    """Rolls a strict import back."""


async def import_listings(
    database: Database,
    settings: Settings,
    file: Path,
    mapping_name: str,
    *,
    strict: bool = False,
    progress: Progress = lambda read: None,
) -> ImportReport:
    """Load a .csv or .csv.gz file. Bad rows are skipped and reported; with ``strict`` one of them
    is enough, and nothing is loaded. ``progress`` gets the number of rows read so far.

    Raises ``UserError`` for a mapping or file that cannot be used.
    """
    try:
        mapping = shipped_mapping(mapping_name)
        rows = read_rows(file, mapping, {code: exponent(code) for code in known_currencies()})
        run = _Import(mapping, stem(file), settings.secret_bytes(), strict)
        try:
            async with database.transaction() as tx:
                return await run.all(tx, rows, progress)
        except _Refused:
            return run.refused()
    except InvalidMapping as error:
        raise UserError(f"{file.name} cannot be imported: {error}.") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from None


def stem(file: Path) -> str:
    """The file's name without its endings: part of the natural key."""
    return file.name.removesuffix(".gz").removesuffix(".csv")


class _Import:
    """One run over one file."""

    def __init__(self, mapping: CsvMapping, source: str, secret: bytes, strict: bool) -> None:
        self._mapping = mapping
        self._source = source
        self._secret = secret
        self._strict = strict
        self._shops: dict[shops.Key, shops.Shop] = {}
        self._counts = {"read": 0, "imported": 0, "updated": 0, "unchanged": 0}
        self._skipped: list[BadRow] = []

    async def all(
        self, tx: Tx, rows: Iterator[MappedRow | BadRow], progress: Progress
    ) -> ImportReport:
        """Every batch, then the event that tells other indexes."""
        key = f"import {self._mapping.name}"
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", key, _LOCK)
        self._shops = await shops.load(tx, self._mapping.name)
        batch = self._read(rows)
        while batch is not None:
            # The next rows are read and checked while the database stores these.
            reading = asyncio.to_thread(self._read, rows)
            hopeless = self._strict and self._skipped
            _, batch = await asyncio.gather(self._store(tx, [] if hopeless else batch), reading)
            progress(self._counts["read"])
        if self._strict and self._skipped:
            raise _Refused
        changed = self._counts["imported"] + self._counts["updated"]
        if changed:
            named = {"mapping": self._mapping.name, "source": self._source}
            subject = uuid5(NAMESPACE_URL, f"{self._mapping.name}/{self._source}")
            tx.emit("listings.imported", subject, {**named, "count": changed})
        return ImportReport(**self._counts, skipped=self._skipped)

    def refused(self) -> ImportReport:
        """What is told after a strict import was rolled back."""
        return ImportReport(read=self._counts["read"], skipped=self._skipped)

    def _read(self, rows: Iterator[MappedRow | BadRow]) -> list[Checked] | None:
        """The good rows among the next ones; None at the end of the file."""
        taken = list(islice(rows, _BATCH))
        self._counts["read"] += len(taken)
        good = [row for row in map(self._checked, taken) if row is not None]
        return [(row, _fingerprint(row)) for row in good] if taken else None

    def _checked(self, row: MappedRow | BadRow) -> MappedRow | None:
        """A row that may be public by the same rules as everybody's; else it joins the skipped."""
        if isinstance(row, BadRow):
            self._skipped.append(row)
            return None
        problem = _problem(row)
        if problem is not None:
            code, reason = problem
            bad = BadRow(line=row.line, last_line=row.line, code=code, reason=reason)
            self._skipped.append(bad)
            return None
        return row

    async def _store(self, tx: Tx, rows: Sequence[Checked]) -> None:
        known = await self._known(tx, [row.row_id for row, _ in rows])
        found = [(row, sha, known.get(row.row_id)) for row, sha in rows]
        fresh = [(row, sha) for row, sha, old in found if old is None]
        changed = [(row, sha, old[0]) for row, sha, old in found if old and old[1] != sha]
        self._counts["imported"] += len(fresh)
        self._counts["updated"] += len(changed)
        self._counts["unchanged"] += len(rows) - len(fresh) - len(changed)
        if not fresh and not changed:
            return
        keys = {row.storefront for row, _ in rows} - self._shops.keys()
        if keys:
            self._shops |= await shops.make(tx, self._mapping.name, keys)
        ids = await tx.fetch("SELECT uuidv7() AS id FROM generate_series(1, $1)", len(fresh))
        added = [
            self._entry(new["id"], row, sha) for new, (row, sha) in zip(ids, fresh, strict=True)
        ]
        edited = [self._entry(old_id, row, sha) for row, sha, old_id in changed]
        await insert(tx, self._mapping.name, self._source, added)
        await update(tx, self._mapping.name, self._source, edited)
        documents = await documents_of(tx.conn, [entry.id for entry in (*added, *edited)])
        await copy_upsert(tx.conn, documents)

    async def _known(self, tx: Tx, ids: list[str]) -> dict[str, tuple[UUID, bytes]]:
        found = await tx.fetch(
            """SELECT source_id, listing_id, content_sha256 FROM catalog.imported_listings
               WHERE mapping = $1 AND source = $2 AND source_id = ANY($3)""",
            self._mapping.name,
            self._source,
            ids,
        )
        return {r["source_id"]: (r["listing_id"], r["content_sha256"]) for r in found}

    def _entry(self, listing_id: UUID, row: MappedRow, sha: bytes) -> Imported:
        shop = self._shops[row.storefront]
        return Imported.of(listing_id, row, sha, shop, self._secret)


def _problem(row: MappedRow) -> tuple[str, str] | None:
    """Why this row may not be public: a code and a sentence."""
    try:
        policy.clean_title(row.title)
    except TitleLength as error:
        return error.code, error.detail
    if row.price_minor == 0:
        return "price_not_positive", "a price of 0"
    price = None
    if row.price_minor is not None:
        price = Price(amount_minor=row.price_minor, currency=row.currency)
    reasons = policy.blockers(row.category, price, sample=True)
    return (reasons[0].code, reasons[0].detail) if reasons else None


def _fingerprint(row: MappedRow) -> bytes:
    """A hash of what a row says, without where in the file it says it."""
    plain = msgspec.structs.asdict(row)
    del plain["line"]
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).digest()
