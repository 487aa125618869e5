"""Facts as Parquet files, a few per month of `known`, under a manifest.

The columns are those of `FactTable`: who and what (member, counterparty, order, source) and the
words (kind, role) as strings, null for none; everything else as the same int64, -1 for none. Ids
stay ids on disk, so an export can be joined with another one; numbers are given when it is read.
Facts lie in order of `known`, so a moment cuts off whole files, and the rest of the last one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

import numpy as np
import polars as pl

from handsel_ml.contract import EPOCH, ROLES, micros
from handsel_ml.errors import FactInvalid, TrainingRefused
from handsel_ml.facts import COLUMNS, KINDS, FactTable, Ints
from handsel_ml.scale.manifest import (
    FORMAT,
    SUFFIX,
    Manifest,
    PartFile,
    check_file,
    claim_folder,
    file_sha256,
    read_manifest,
    write_manifest,
)

IDS = ("member", "source", "order", "counterparty")
WORDS: dict[str, tuple[str, ...]] = {"kind": tuple(kind.value for kind in KINDS), "role": ROLES}
MAY_BE_NULL = ("order", "counterparty", "role")
SCHEMA: dict[str, type[pl.DataType]] = {
    name: pl.String if name in IDS or name in WORDS else pl.Int64 for name in COLUMNS
}
#: Facts per file at most: what a writer holds in memory, about 150 MB.
PART_ROWS = 500_000


class FactWriter:
    """Writes an export piece by piece, in constant memory. Facts come in order of `known`.

    As a context it ends without a manifest where something is raised: then there is no export.
    """

    def __init__(
        self, folder: Path, as_of: datetime, schema_version: str, part_rows: int = PART_ROWS
    ) -> None:
        """Claim an empty folder. Raises `FactInvalid`."""
        claim_folder(folder)
        self._manifest: Manifest | None = None
        self._folder = folder
        self._as_of = as_of
        self._schema_version = schema_version
        self._part_rows = part_rows
        self._waiting = pl.DataFrame(schema=SCHEMA)
        self._files: list[PartFile] = []

    def __enter__(self) -> FactWriter:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Write what waits and the manifest, unless something went wrong."""
        if kind is None:
            self._flush(self._waiting.clear())
            self._manifest = write_manifest(self._folder, self._described())

    def written(self) -> Manifest:
        """The manifest, once the context has ended."""
        if self._manifest is None:
            raise AssertionError("the export has not ended")
        return self._manifest

    def add(self, columns: Mapping[str, Sequence[object]] | pl.DataFrame) -> None:
        """Take some more facts, by column. Raises `FactInvalid` for other columns or types."""
        given = set(columns.columns if isinstance(columns, pl.DataFrame) else columns)
        if given != set(COLUMNS):
            raise FactInvalid("unknown_columns", f"{sorted(given ^ set(COLUMNS))}")
        frame = pl.DataFrame(columns, schema_overrides=SCHEMA).select(COLUMNS)
        for part in _by_month(frame):
            self._take(part)

    def _take(self, month: pl.DataFrame) -> None:
        """Facts of one month: a file for what waits of another month, and for every full part."""
        if len(self._waiting) and _name(self._waiting) != _name(month):
            self._flush(self._waiting.clear())
        self._waiting = self._waiting.vstack(month)
        while len(self._waiting) >= self._part_rows:
            rest = self._waiting.slice(self._part_rows)
            self._waiting = self._waiting.head(self._part_rows)
            self._flush(rest)

    def _flush(self, rest: pl.DataFrame) -> None:
        """Write what waits as a file; `rest` waits then."""
        frame, self._waiting = self._waiting, rest
        if len(frame) == 0:
            return
        month, known = _name(frame), frame["known"]
        if not known.is_sorted() or (self._files and known[0] < self._files[-1].last_known):
            raise FactInvalid("dates_out_of_order", f"{month}: facts come in order of `known`")
        number = sum(part.name.startswith(month) for part in self._files)
        path = self._folder / f"{month}-{number:03d}{SUFFIX}"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            frame.rechunk().write_parquet(file, compression="zstd", statistics=True)
        part = PartFile(
            name=path.name,
            rows=len(frame),
            first_known=known[0],
            last_known=known[-1],
            sha256=file_sha256(path),
        )
        self._files.append(part)

    def _described(self) -> Manifest:
        return Manifest(
            format=FORMAT,
            export_id="",
            as_of=self._as_of.astimezone(UTC).isoformat(),
            schema_version=self._schema_version,
            rows=sum(part.rows for part in self._files),
            columns=COLUMNS,
            files=tuple(self._files),
        )


def _by_month(frame: pl.DataFrame) -> list[pl.DataFrame]:
    month = pl.from_epoch("known", "us").dt.strftime("%Y-%m").alias("month")
    return frame.with_columns(month).partition_by("month", maintain_order=True, include_key=False)


def _name(frame: pl.DataFrame) -> str:
    """The month of a frame's first fact: 2026-01."""
    return f"{EPOCH + timedelta(microseconds=frame['known'][0]):%Y-%m}"


def write_facts(
    table: FactTable, folder: Path, as_of: datetime, part_rows: int = PART_ROWS
) -> Manifest:
    """Write a table of facts known before `as_of`. Orders and sources are named by their numbers.

    Raises `FactInvalid`: folder_not_empty, dates_out_of_order.
    """
    past = table.known_before(micros(as_of))
    order = np.argsort(past.known, kind="stable")
    names = pl.Series(table.names, dtype=pl.String)
    with FactWriter(folder, as_of, f"handsel_ml {FORMAT}", part_rows) as writer:
        for start in range(0, len(order), part_rows):
            writer.add(_named(past.take(order[start : start + part_rows]), names))
    return writer.written()


def _named(table: FactTable, names: pl.Series) -> pl.DataFrame:
    """Columns with ids and words instead of numbers."""
    frame = pl.DataFrame({name: getattr(table, name) for name in COLUMNS})
    words = [
        pl.col(name).replace_strict(range(len(of)), of, default=None, return_dtype=pl.String)
        for name, of in WORDS.items()
    ]
    # Twelve digits: so the names lie in the order of the numbers.
    numbered = [
        pl.when(pl.col(name) >= 0).then(
            pl.format(name + "-{}", pl.col(name).cast(pl.String).str.zfill(12))
        ).alias(name)
        for name in ("order", "source")
    ]  # fmt: skip
    people = [
        pl.when(pl.col(name) >= 0).then(pl.lit(names).gather(pl.col(name).clip(0))).alias(name)
        for name in ("member", "counterparty")
    ]
    return frame.with_columns(*words, *numbered, *people)


def read_facts(folder: Path, known_before: datetime | None = None) -> FactTable:
    """Read an export, or what of it was known strictly before a moment, in order of `known`.

    Members, orders and sources are numbered by sorted id, as `table_of` does. A moment reads no
    file that lies wholly after it. Raises `FactInvalid`: what `read_manifest` raises, and
    unknown_columns, column_type, kind_unknown, role_unknown, value_missing; `TrainingRefused` for
    a moment after the export (not_exported).
    """
    manifest = read_manifest(folder)
    until = datetime.fromisoformat(manifest.as_of)
    if known_before is not None and known_before > until:
        detail = f"the export ends at {until}, asked for {known_before}"
        raise TrainingRefused("not_exported", detail)
    moment = micros(known_before or until)
    parts = [part for part in manifest.files if part.first_known < moment]
    paths = [check_file(folder, part) for part in parts]
    for path in paths:
        _check_schema(path)
    if not paths:
        return _table(pl.LazyFrame(schema=SCHEMA)).known_before(moment)
    lazy = pl.scan_parquet(paths, glob=False, hive_partitioning=False)
    return _table(lazy.filter(pl.col("known") < moment)).known_before(moment)


def _check_schema(path: Path) -> None:
    """The columns of `SCHEMA`, each of its type."""
    found = pl.read_parquet_schema(path)
    if set(found) != set(SCHEMA):
        raise FactInvalid("unknown_columns", f"{path}: {sorted(set(found) ^ set(SCHEMA))}")
    for name, kind in SCHEMA.items():
        if found[name] != kind:
            raise FactInvalid("column_type", f"{path}: {name} is {found[name]}, not {kind}")


def _table(lazy: pl.LazyFrame) -> FactTable:
    """Columns of a frame, one after another: strings are never held for two of them at once."""
    parties = pl.concat(
        [lazy.select(pl.col("member")), lazy.select(pl.col("counterparty").alias("member"))]
    )
    names = parties.unique().drop_nulls().sort("member").collect().to_series()
    return FactTable(
        names=tuple(names.to_list()),
        **{name: _column(lazy, name, names) for name in COLUMNS},
    )


def _column(lazy: pl.LazyFrame, name: str, names: pl.Series) -> Ints:
    """One column as numbers; -1 for null."""
    column = pl.col(name)
    if name in ("member", "counterparty"):
        column = column.cast(pl.Enum(names)).to_physical()
    elif name in WORDS:
        _check_words(lazy, name)
        column = column.cast(pl.Enum(WORDS[name])).to_physical()
    elif name in IDS:
        column = column.rank("dense") - 1
    found = lazy.select(column.cast(pl.Int64)).collect().to_series()
    if found.null_count() and name not in MAY_BE_NULL:
        raise FactInvalid("value_missing", f"{found.null_count()} facts without {name}")
    return found.fill_null(-1).to_numpy()


def _check_words(lazy: pl.LazyFrame, name: str) -> None:
    """Only kinds and roles that there are."""
    found = lazy.select(pl.col(name).unique().drop_nulls()).collect().to_series().to_list()
    if unknown := sorted(set(found) - set(WORDS[name])):
        raise FactInvalid(f"{name}_unknown", f"{unknown}")
