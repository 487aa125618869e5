"""A file of ratings: who rated whom, how, and when. The first four columns of a CSV.

Read into arrays in order of time; members are numbered by sorted
id. Everything a person can mend is refused with one sentence (`GraphRefused`).
"""

from __future__ import annotations

import csv
import gzip
import io
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handsel_ml.errors import GraphRefused
from handsel_ml.graph.propagate import Floats, Ints

#: Below this the three slices are too short for any figure to mean something.
FEWEST = 2_000
#: 1990 to 2100: seconds since 1970. Milliseconds, years and row numbers lie outside.
_SECONDS = (631_152_000.0, 4_102_444_800.0)
_GZIP = b"\x1f\x8b"


class Ratings(NamedTuple):
    """n ratings in order of time among ``members`` people. ``value``: below 0 is a complaint, and
    the largest size is 1. ``at``: seconds since 1970."""

    members: int
    rater: Ints
    target: Ints
    value: Floats
    at: Floats

    def first(self, n: int) -> Ratings:
        """The first n ratings; members keep their numbers."""
        return Ratings(self.members, self.rater[:n], self.target[:n], self.value[:n], self.at[:n])


def read_ratings(path: Path) -> Ratings:
    """Read a file, plain or gzip; what somebody says of themselves is left out. Raises
    `GraphRefused`: file_missing, file_unreadable, columns_missing, kind_wrong, date_invalid,
    rating_constant, nothing_to_foresee, too_few_events, duplicate_facts."""
    lines = [line for line in csv.reader(io.StringIO(_text(path))) if any(map(str.strip, line))]
    if lines and _is_header(lines[0]):
        lines = lines[1:]
    rows = [_row(number, line) for number, line in enumerate(lines, start=1)]
    rows = [row for row in rows if row[0] != row[1]]  # nobody's word about themselves counts
    if len(rows) < FEWEST:
        raise GraphRefused("too_few_events", f"{len(rows)} ratings; {FEWEST} are the least")
    return _ordered(rows)


def _ordered(rows: list[tuple[str, str, float, float]]) -> Ratings:
    names = {name: i for i, name in enumerate(sorted({name for row in rows for name in row[:2]}))}
    value = np.array([row[2] for row in rows])
    at = np.array([row[3] for row in rows])
    if value.min() == value.max():
        raise GraphRefused("rating_constant", f"every rating is {value[0]:g}")
    if not (value < 0).any():
        raise GraphRefused("nothing_to_foresee", "no rating is below 0, so none is a complaint")
    _check_once(rows)
    order = np.argsort(at, kind="stable")
    return Ratings(
        len(names),
        np.array([names[row[0]] for row in rows], dtype=np.int64)[order],
        np.array([names[row[1]] for row in rows], dtype=np.int64)[order],
        (value / np.abs(value).max())[order],
        at[order],
    )


def _check_once(rows: list[tuple[str, str, float, float]]) -> None:
    seen: set[tuple[str, str, float]] = set()
    for rater, target, _, at in rows:
        if (rater, target, at) in seen:
            when = datetime.fromtimestamp(at, UTC).isoformat()
            raise GraphRefused("duplicate_facts", f"{rater} rates {target} twice at {when}")
        seen.add((rater, target, at))


def _text(path: Path) -> str:
    if not path.is_file():
        raise GraphRefused("file_missing", f"there is no file {path}")
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw.startswith(_GZIP) else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise GraphRefused("file_unreadable", f"{path} is no text of ratings: {error}") from None


def _is_header(line: list[str]) -> bool:
    """Whether a first line names columns: neither its rating nor its time is a number or a date."""
    return len(line) >= 4 and _number(line[2]) is None and _moment(line[3]) is None


def _row(number: int, line: list[str]) -> tuple[str, str, float, float]:
    if len(line) < 4:
        raise GraphRefused(
            "columns_missing",
            f"row {number} has {len(line)} columns; rater, target, rating, unix time are needed",
        )
    rater, target = line[0].strip(), line[1].strip()
    if not rater or not target:
        raise GraphRefused("kind_wrong", f"row {number} names no rater or no target")
    value, at = _number(line[2]), _moment(line[3])
    if value is None:
        raise GraphRefused("kind_wrong", f"the rating of row {number} is no number: {line[2]!r}")
    if at is None:
        raise GraphRefused(
            "date_invalid", f"the time of row {number} is no unix time or date: {line[3]!r}"
        )
    return rater, target, value, at


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _moment(text: str) -> float | None:
    """Seconds since 1970, from a number of them or an ISO date; one without a zone is UTC."""
    at = _number(text)
    if at is None:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return at if _SECONDS[0] <= at <= _SECONDS[1] else None
