"""From a CSV file, plain or gzipped, to numbers. Every refusal says which column and line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import TrainingRefused
from handsel_ml.tables.config import Column, TableConfig

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_USUAL = ",;\t| "
#: Every library of the benchmark computes with 32 bits somewhere.
_LARGEST = float(np.finfo(np.float32).max)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix` float64 (rows, columns), NaN where missing; `label` 1 for bad.

    A categorical column holds the index of its text in `levels` (sorted), an ordinal one with an
    order the place in it.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    levels: dict[str, tuple[str, ...]]
    matrix: Floats
    label: Ints

    @property
    def categorical(self) -> tuple[str, ...]:
        """The names of the categorical columns."""
        pairs = zip(self.names, self.columns, strict=True)
        return tuple(name for name, column in pairs if column.kind == "categorical")


def read_table(path: Path, config: TableConfig) -> Table:
    """Read what the config names. Raises `TrainingRefused`.

    Codes: file_missing, file_empty, not_a_table, wrong_separator, duplicate_columns,
    unknown_columns, label_missing, label_invalid, positive_missing, constant_label, too_few_bads,
    wrong_kind, dates_out_of_order.
    """
    header, rows = _split(path, config.separator)
    _check_header(header, config)
    cells = dict(zip(header, zip(*rows, strict=True), strict=True))
    if config.date is not None:
        _check_dates(config.date, cells[config.date])
    label = _label(cells[config.label], config)
    levels: dict[str, tuple[str, ...]] = {}
    read = []
    for name, column in config.features.items():
        texts = cells[name]
        if column.kind == "categorical":
            levels[name] = tuple(sorted(set(texts) - set(config.missing)))
        order = levels[name] if column.kind == "categorical" else column.order
        parse = _places if column.kind == "categorical" or order else _numbers
        read.append(parse(name, texts, order, config.missing))
        if np.isnan(read[-1]).all():
            raise TrainingRefused("wrong_kind", f"{name} is missing in every row")
    return Table(
        names=tuple(config.features),
        columns=tuple(config.features.values()),
        levels=levels,
        matrix=np.column_stack(read),
        label=label,
    )


def _split(path: Path, separator: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, all as wide as the header."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise TrainingRefused("not_a_table", f"{path}: {error}") from error
        raise TrainingRefused("file_missing", f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise TrainingRefused("not_a_table", f"{path} is not a text file: {error}") from error
    if not text.strip():
        raise TrainingRefused("file_empty", f"{path} is empty")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        filled = [(rows.line_num, row) for row in rows if row]
    except csv.Error as error:
        raise TrainingRefused("not_a_table", f"{path}: {error}") from error
    (_, header), *body = filled
    if "\x00" in text or not body:
        detail = f"{path} has a header but no rows" if not body else f"{path} is not a text file"
        raise TrainingRefused("file_empty" if not body else "not_a_table", detail)
    for line, row in body:
        if len(row) != len(header):
            detail = f"{path}, line {line}: {len(row)} fields, the header has {len(header)}"
            raise TrainingRefused("not_a_table", detail)
    return header, [row for _, row in body]


def _check_header(header: list[str], config: TableConfig) -> None:
    needed = [*config.features, config.label, *([config.date] if config.date else [])]
    if len(header) == 1 and len(needed) > 1:
        held = [mark for mark in _USUAL if mark in header[0]]
        if not held:
            raise TrainingRefused("not_a_table", f"the first line is one word: {header[0][:60]!r}")
        detail = f"no {config.separator!r} in the header, but {held[0]!r}: set `separator`"
        raise TrainingRefused("wrong_separator", detail)
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise TrainingRefused("duplicate_columns", f"columns that occur twice: {', '.join(twice)}")
    if config.label not in header:
        raise TrainingRefused("label_missing", f"there is no column {config.label}, the label")
    if unknown := [name for name in needed if name not in header]:
        detail = f"the config names columns that the file lacks: {', '.join(unknown)}"
        raise TrainingRefused("unknown_columns", detail)


def _check_dates(name: str, texts: Sequence[str]) -> None:
    last = datetime.min.replace(tzinfo=UTC)
    for row, text in enumerate(texts, 1):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            detail = f"{name}, row {row}: {text!r} is no ISO 8601 date"
            raise TrainingRefused("wrong_kind", detail) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment < last:
            detail = f"{name}, row {row}: {text} comes after {texts[row - 2]}"
            raise TrainingRefused("dates_out_of_order", detail)
        last = moment


def _label(texts: Sequence[str], config: TableConfig) -> Ints:
    seen = sorted(set(texts))
    if gaps := sum(text in config.missing for text in texts):
        raise TrainingRefused("label_invalid", f"{config.label} is missing in {gaps} rows")
    if config.bad not in seen:
        detail = f"{config.label} is never {config.bad!r}; it is {', '.join(seen[:5])}"
        raise TrainingRefused("positive_missing", detail)
    if len(seen) == 1:
        raise TrainingRefused("constant_label", f"{config.label} is {seen[0]!r} in every row")
    if len(seen) > 2:
        detail = f"{config.label} has {len(seen)} values; a label has two: {', '.join(seen[:5])}"
        raise TrainingRefused("label_invalid", detail)
    label = np.array([text == config.bad for text in texts], dtype=np.int64)
    rarer = int(min(label.sum(), len(label) - label.sum()))
    if rarer < config.least_bads:
        detail = f"{rarer} rows of the rarer outcome, needed {config.least_bads}"
        raise TrainingRefused("too_few_bads", detail)
    return label


def _numbers(
    name: str, texts: Sequence[str], order: tuple[str, ...], missing: tuple[str, ...]
) -> Floats:
    """A column of numbers; `order` is empty."""
    none = set(missing)
    values = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            values[row] = np.nan if text in none else _number(text)
        except ValueError:
            detail = f"{name}, row {row + 1}: {text!r} is not a number"
            raise TrainingRefused("wrong_kind", detail) from None
    beyond = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(beyond):
        text = texts[beyond[0]]
        detail = f"{name}, row {beyond[0] + 1}: {text[:40]!r} is beyond {_LARGEST:.4g} in size"
        raise TrainingRefused("wrong_kind", detail)
    return values


def _number(text: str) -> float:
    """As `float`, but "nan" and "1_000" are no numbers: `ValueError`."""
    value = float(text)
    if math.isnan(value) or "_" in text:
        raise ValueError(text)
    return value


def _places(
    name: str, texts: Sequence[str], order: tuple[str, ...], missing: tuple[str, ...]
) -> Floats:
    """A column of texts as their places in `order`."""
    place: dict[str, float] = {text: float(i) for i, text in enumerate(order)}
    place.update(dict.fromkeys(missing, np.nan))
    values = np.empty(len(texts))
    for row, text in enumerate(texts):
        if text not in place:
            detail = f"{name}, row {row + 1}: {text!r} is not one of {', '.join(order)}"
            raise TrainingRefused("wrong_kind", detail)
        values[row] = place[text]
    return values
