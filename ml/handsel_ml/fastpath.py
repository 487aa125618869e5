"""One row through LightGBM's C API with a prepared fast configuration.

`Booster.predict` spends most of its time in Python; the C call takes a few microseconds. The
buffers and the native configuration belong to one thread: make one `SingleRow` per thread.
Bit-equal to `Booster.predict` (tested).
"""

from __future__ import annotations

import ctypes
from typing import Any, NoReturn

import lightgbm
import numpy as np
from lightgbm.basic import _LIB  # type: ignore[attr-defined]
from numpy.typing import NDArray

from handsel_ml.errors import ScoringFailed

RAW_SCORE = 1
CONTRIBUTIONS = 3
_FLOAT64 = 1
_ALL_TREES = -1
Floats = NDArray[np.float64]


class SingleRow:
    """A prepared call: write the row into `row`, call `run`, read `out`.

    `native(*arguments)` is `run` without the check, for the hot path and for benchmarks.
    """

    def __init__(self, booster: lightgbm.Booster, predict_type: int, width: int) -> None:
        """Prepare; `width` is the number of features. Raises `ScoringFailed`."""
        self.row: Floats = np.zeros(width, dtype=np.float64)
        self.cells: Any = memoryview(self.row)  # type: ignore[arg-type]
        self.out: Floats = np.zeros(width + 1 if predict_type == CONTRIBUTIONS else 1)
        self._booster = booster  # the native configuration points into it
        self._config = ctypes.c_void_p()
        self._length = ctypes.c_int64(0)
        status = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,
            ctypes.c_int(predict_type),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_TREES),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(width),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._config),
        )
        if status != 0:
            self.fail()
        self.native: Any = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        self.arguments = (
            self._config,
            ctypes.c_void_p(self.row.ctypes.data),
            ctypes.byref(self._length),
            ctypes.c_void_p(self.out.ctypes.data),
        )

    def run(self) -> None:
        """Predict the row in `row` into `out`. Raises `ScoringFailed`."""
        if self.native(*self.arguments) != 0:
            self.fail()

    def fail(self) -> NoReturn:
        """Raise `ScoringFailed` with the library's own words."""
        raise ScoringFailed("native_error", _last_error())

    def close(self) -> None:
        """Free the native configuration; calling again does nothing."""
        if self._config:
            _LIB.LGBM_FastConfigFree(self._config)
            self._config.value = None

    def __del__(self) -> None:
        """A thread that ends drops its call; free it."""
        if getattr(self, "_config", None):
            self.close()


def _last_error() -> str:
    get = _LIB.LGBM_GetLastError
    get.restype = ctypes.c_char_p
    message = get()
    return message.decode() if isinstance(message, bytes) else "unknown"
