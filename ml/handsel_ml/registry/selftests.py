"""What a model must be able to say for itself: monotone where it promised, reasons by the rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import ScoringFailed
from handsel_ml.model import Model
from handsel_ml.registry.gate import Gate, gate

Floats = NDArray[np.float64]
_ROWS = 150
_EXPLAINED = 40


def self_tests(model: Model, matrix: Floats, seed: int = 0) -> tuple[Gate, ...]:
    """Test a model on random rows of a matrix, shape (rows, features), and on rows made of them.

    Half of the rows are deals as they were, half have each cell drawn from another deal.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    picked = rng.integers(0, len(matrix), (_ROWS, matrix.shape[1]))
    picked[: _ROWS // 2] = picked[: _ROWS // 2, :1]
    rows = np.ascontiguousarray(np.take_along_axis(matrix, picked, axis=0))
    return (_monotone(model, rows, matrix, rng), _reasons(model, rows[:: _ROWS // _EXPLAINED]))


def _monotone(model: Model, rows: Floats, matrix: Floats, rng: np.random.Generator) -> Gate:
    """More of a +1 feature never lowers the PD and never raises the points; -1 the other way."""
    info, broken, tried = model.info, set[str](), 0
    for i, sign in enumerate(info.signs):
        column = matrix[:, i][np.isfinite(matrix[:, i])]
        if not sign or not len(column):
            continue
        for row in rows:
            ends = np.sort(rng.choice(column, 2))[::sign]
            low, high = row.copy(), row.copy()
            low[i], high[i] = ends
            better, worse = model.score(low), model.score(high)
            tried += 1
            if worse.pd < better.pd or worse.points > better.points:
                broken.add(info.features[i])
    words = f"{tried} pairs of rows"
    if broken:
        words += f"; not kept by {', '.join(sorted(broken))}"
    return gate("monotone", not broken, len(broken), "0 features", words)


def _reasons(model: Model, rows: Floats) -> Gate:
    """Parts add up, no code comes twice, and no group at its best is ever held against anybody."""
    wrong: list[str] = []
    best = _at_their_best(model, rows)
    for row, ideal in zip(rows, best, strict=True):
        try:
            codes = [reason.code for reason in model.explain(row).reasons]
            kept = [reason.code for reason in model.explain(ideal).reasons]
        except ScoringFailed as error:
            wrong.append(error.code)
            continue
        wrong += ["a code twice"] * (len(codes) != len(set(codes)))
        wrong += ["more than four"] * (len(codes) > 4)
        wrong += [f"{code} at its best" for code in kept if code in _signed_groups(model)]
    words = f"{len(rows)} rows explained"
    if wrong:
        words += f"; {wrong[0]}"
    return gate("reasons", not wrong, len(wrong), "0 faults", words)


def _signed_groups(model: Model) -> set[str]:
    """Reason groups all of whose features have a direction."""
    free = {g for g, sign in zip(model.info.groups, model.info.signs, strict=True) if not sign}
    return set(model.info.groups) - free


def _at_their_best(model: Model, rows: Floats) -> Floats:
    """The rows with every signed feature at the best of rows and reference."""
    ideal = rows.copy()
    for i, sign in enumerate(model.info.signs):
        known = np.append(rows[:, i][np.isfinite(rows[:, i])], model.info.reference.vector[i])
        known = known[np.isfinite(known)]
        if sign and len(known):
            ideal[:, i] = known.min() if sign > 0 else known.max()
    return ideal
