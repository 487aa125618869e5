"""How numbers look, the same everywhere: a dash for what is not known."""

from __future__ import annotations

import math

from handsel_ml.evaluate import Interval

DASH = "–"
_PLACES = {"auc": 3, "gini": 3, "ks": 3, "brier": 4, "log_loss": 4, "ece": 4, "impact": 2,
           "observed_to_expected": 2}  # fmt: skip


def number(value: float, places: int = 3, *, signed: bool = False) -> str:
    """A plain number; a true minus sign, so that columns line up."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands apart."""
    return f"{round(value):,}" if math.isfinite(value) else DASH


def percent(value: float, places: int | None = None) -> str:
    """A share as per cent: two places below one, one place below ten, else none or as asked."""
    if not math.isfinite(value):
        return DASH
    shown = 100 * value
    if places is None:
        places = 2 if abs(shown) < 1 else 1
    return f"{shown:.{places}f} %".replace("-", "−").replace(" ", "\u202f")


def spread(interval: Interval, places: int = 3, *, signed: bool = False) -> str:
    """The ends of an interval: "0.741 to 0.768"; a dash where it has none."""
    if not (math.isfinite(interval.lower) and math.isfinite(interval.upper)):
        return DASH
    lower = number(interval.lower, places, signed=signed)
    return f"{lower} to {number(interval.upper, places, signed=signed)}"


def places_of(name: str) -> int:
    """How many places a figure is shown with."""
    return _PLACES.get(name, 3)


def figure(name: str, interval: Interval) -> str:
    """A figure by its name, without its interval."""
    return number(interval.value, places_of(name))
