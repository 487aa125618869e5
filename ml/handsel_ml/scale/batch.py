"""Many rows through one model, as a nightly re-scoring needs: to the bit what `Model.score` gives.

LightGBM adds up the trees in the same order for one row and for many (tested). What follows is
vectorised where numpy's arithmetic is exact, and taken one by one where it is not: numpy's
exponential may differ from the C library's in the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import ScoringFailed
from handsel_ml.facts import Ints
from handsel_ml.model import Model, chance

Floats = NDArray[np.float64]
#: Rows at a time: small enough that no thread waits long for another one, or for many floats.
BLOCK_ROWS = 8_192


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Raw log-odds, calibrated chance of bad and points of n rows; each of shape (n,)."""

    raw: Floats
    pd: Floats
    points: Ints


def score_batch(model: Model, matrix: Floats, threads: int = 2) -> Batch:
    """Score rows of float64, shape (n, features). Raises `ScoringFailed`: one bad row fails all.

    Threads take blocks in turns, each LightGBM call has one: while one of them calibrates, which
    holds Python's lock, another one walks trees.
    """
    width = len(model.info.features)
    if matrix.ndim != 2 or matrix.shape[1] != width or matrix.dtype != np.float64:
        detail = f"{matrix.dtype} {matrix.shape}, not float64 of shape (n, {width})"
        raise ScoringFailed("shape_wrong", detail)
    starts = range(0, max(len(matrix), 1), BLOCK_ROWS)
    with ThreadPoolExecutor(threads) as pool:
        blocks = list(pool.map(lambda at: _score(model, matrix[at : at + BLOCK_ROWS]), starts))
    return Batch(
        raw=np.concatenate([block.raw for block in blocks]),
        pd=np.concatenate([block.pd for block in blocks]),
        points=np.concatenate([block.points for block in blocks]),
    )


def _score(model: Model, matrix: Floats) -> Batch:
    """A block, by one thread."""
    if len(matrix) == 0:
        none = np.empty(0)
        return Batch(raw=none, pd=none, points=np.empty(0, dtype=np.int64))
    raw = model.engine.raw_many(np.ascontiguousarray(matrix), 1)
    odd = int((~np.isfinite(raw)).sum())
    if odd:
        raise ScoringFailed("not_finite", f"{model.info.model_id} gave {odd} of {len(raw)}")
    calibrator, score_map = model.info.calibrator, model.info.score_map
    if calibrator.a == calibrator.b:
        odds = calibrator.a * raw + calibrator.c
    else:
        odds = np.fromiter(map(calibrator.log_odds, raw.tolist()), np.float64, len(raw))
    intercept, slope = score_map.line()
    points = np.rint(np.clip(intercept + slope * odds, score_map.lowest, score_map.highest))
    pd = np.fromiter(map(chance, odds.tolist()), np.float64, len(odds))
    return Batch(raw=raw, pd=pd, points=points.astype(np.int64))
