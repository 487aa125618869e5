"""What a model said on rows whose outcome is known: what every judgement of it is made from."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.bundle import BundleInfo
from handsel_ml.contract import ScoreKind
from handsel_ml.facts import Ints

Floats = NDArray[np.float64]


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """Rows sorted into named groups: `code` is an index into `labels`, -1 for none; shape (n,)."""

    labels: tuple[str, ...]
    code: Ints

    def take(self, rows: NDArray[Any]) -> Grouping:
        """The same groups of some of the rows."""
        return Grouping(labels=self.labels, code=self.code[rows])


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One model on n rows, by column. A row is one party of one deal, at its acceptance.

    `label` 0/1; `pd` the calibrated chance of bad; `points` 350..950; `opened` and `available` in
    microseconds since 1970; `closed` the deals that were closed by then (below three a member has
    no number); `matrix` float64 (n, features), columns `names`. `segments` are groups that a model
    may know (role, verification); `protected` are groups that no model may know, held apart and
    used only to measure fairness.
    """

    kind: ScoreKind
    model_id: str
    label: Ints
    pd: Floats
    points: Ints
    member: Ints
    opened: Ints
    available: Ints
    closed: Ints
    names: tuple[str, ...]
    matrix: Floats
    segments: dict[str, Grouping]
    protected: dict[str, Grouping]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.label)

    def take(self, rows: NDArray[Any]) -> Judged:
        """Some of the rows (indices or a mask), in that order."""
        columns = ("label", "pd", "points", "member", "opened", "available", "closed", "matrix")
        return msgspec.structs.replace(
            self,
            **{name: getattr(self, name)[rows] for name in columns},
            segments={name: groups.take(rows) for name, groups in self.segments.items()},
            protected={name: groups.take(rows) for name, groups in self.protected.items()},
        )


class ScoreRun(msgspec.Struct, frozen=True, kw_only=True):
    """One trained score with all that a report and a gate need.

    `fitted`: the rows it learnt from (the base of drift); `test`: matured rows after the moment of
    training; `champion`: another model on the rows of `test`, in the same order, or None;
    `reason_points`: mean points that each reason group costs on a sample of `test`.
    """

    info: BundleInfo
    fitted: Judged
    test: Judged
    champion: Judged | None
    reason_points: dict[str, float]
