"""One gate: a figure held against a bound."""

from __future__ import annotations

import math

import msgspec


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate: the figure, the bound it was held against, and both in words.

    `value` is None where there was nothing to measure (JSON has no NaN).
    """

    name: str
    passed: bool
    value: float | None
    bound: str
    words: str


def gate(name: str, passed: bool, value: float, bound: str, words: str) -> Gate:
    """A gate whose figure may be NaN: then it is not passed, whatever was said."""
    known = math.isfinite(value)
    said = words if known else f"{words}: cannot be measured on these rows"
    return Gate(
        name=name,
        passed=known and passed,
        value=round(value, 6) if known else None,
        bound=bound,
        words=said,
    )
