"""Interleaved rounds, and the one line that each benchmark prints."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec


class Line(msgspec.Struct, kw_only=True):
    """What a benchmark found; ``ratio`` is the median of the rounds' ratios."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    rounds: list[float]
    load: float


@dataclass(frozen=True)
class Effort:
    """How long to measure: ``make bench`` takes five rounds, the smoke test one short one."""

    rounds: int = 5
    seconds: float = 5.0


def compare(
    name: str,
    unit: str,
    baseline: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    effort: Effort,
) -> Line:
    """Measure baseline and ours in turns; ratio is ours divided by the baseline."""
    pairs = [(theirs(), ours()) for _ in range(effort.rounds)]
    ratios = [round(own / base, 4) for base, own in pairs]
    return Line(
        name=name,
        value=round(median(own for _, own in pairs), 3),
        unit=unit,
        baseline=baseline,
        baseline_value=round(median(base for base, _ in pairs), 3),
        ratio=median(ratios),
        rounds=ratios,
        load=round(os.getloadavg()[0], 2),
    )


def report(line: Line, home: Path) -> None:
    """Print the line and append it to ``bench.jsonl``."""
    text = msgspec.json.encode(line).decode()
    print(text, flush=True)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "bench.jsonl").open("a") as file:
        file.write(text + "\n")
