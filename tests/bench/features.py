"""From an export on disk to both training matrices: linear in the facts, within 8 GB.

Each size runs in a process of its own, so that its peak of memory is its own. Seconds are those of
the processor, which other work on the machine disturbs least.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from handsel_ml.contract import SCORE_KINDS
from handsel_ml.facts import COLUMNS, FactTable
from handsel_ml.scale.matrix import matured_rows
from handsel_ml.scale.parquet import read_facts, write_facts
from handsel_ml.simulate import Town, TownPlan, simulate_town
from tests.bench.rounds import Effort, Line

_SIZES = (100_000, 1_000_000, 10_000_000)
_BUDGET_GB = 8.0
_PLAN = TownPlan(seed=7, members=700, deals_per_member=12.0)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One size: what it took and gave."""

    facts: int
    rows: int
    cpu_s: float
    peak_gb: float


def features_linear(effort: Effort) -> Line:
    """Nanoseconds of processor time per fact at the greatest size; ratio to the smallest."""
    runs = _runs(effort.seconds >= 5)
    each = [run.cpu_s / run.facts * 1e9 for run in runs]
    return Line(
        name="features_linear",
        value=round(each[-1]),
        unit="nanoseconds of processor per fact",
        baseline=f"{runs[0].facts} facts instead of {runs[-1].facts}",
        baseline_value=round(each[0]),
        ratio=round(each[-1] / each[0], 4),
        rounds=[round(one / each[0], 4) for one in each],
        load=round(os.getloadavg()[0], 2),
    )


def features_peak_gb(effort: Effort) -> Line:
    """Gigabytes of memory at the greatest size; ratio to what it may take."""
    runs = _runs(effort.seconds >= 5)
    return Line(
        name="features_peak_gb",
        value=runs[-1].peak_gb,
        unit=f"GB at {runs[-1].facts} facts",
        baseline="the budget",
        baseline_value=_BUDGET_GB,
        ratio=round(runs[-1].peak_gb / _BUDGET_GB, 4),
        rounds=[run.peak_gb for run in runs],
        load=round(os.getloadavg()[0], 2),
    )


@cache
def _runs(full: bool) -> list[Run]:
    sizes = _SIZES if full else (_SIZES[0] // 10, _SIZES[0])
    town = simulate_town(_PLAN)
    return [_run(town, size) for size in sizes]


def _run(town: Town, facts: int) -> Run:
    """Write an export of about so many facts; read it and build both matrices in a child."""
    folder = Path(tempfile.mkdtemp(prefix="handsel-bench-"))
    try:
        table = _many(town.table, max(round(facts / len(town.table)), 1))
        write_facts(table, folder / "export", _PLAN.end)
        child = [sys.executable, "-m", "tests.bench.features", str(folder / "export")]
        said = subprocess.run(child, check=True, capture_output=True).stdout
    finally:
        shutil.rmtree(folder)
    return msgspec.json.decode(said, type=Run)


def _many(table: FactTable, copies: int) -> FactTable:
    """A town many times over, side by side: other members, orders and sources, the same times."""
    copy = np.arange(copies, dtype=np.int64).repeat(len(table))
    sizes = {
        "member": len(table.names),
        "counterparty": len(table.names),
        "order": int(table.order.max()) + 1,
        "source": int(table.source.max()) + 1,
    }
    columns = {name: np.tile(getattr(table, name), copies) for name in COLUMNS}
    for name, size in sizes.items():
        columns[name] += np.where(columns[name] >= 0, copy * size, 0)
    # As long as the ids of the house.
    names = tuple(f"{i:036d}" for i in range(copies * len(table.names)))
    return FactTable(names=names, **columns)


def _measure(folder: Path) -> Run:
    began = time.process_time()
    table = read_facts(folder)
    rows = sum(len(matured_rows(table, kind, _PLAN.end).label) for kind in SCORE_KINDS)
    return Run(
        facts=len(table),
        rows=rows,
        cpu_s=time.process_time() - began,
        peak_gb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
    )


if __name__ == "__main__":
    print(msgspec.json.encode(_measure(Path(sys.argv[1]))).decode())
