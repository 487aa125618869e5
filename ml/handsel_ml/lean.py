"""LightGBM for processes that serve: without the libraries that it imports only because they are
installed.

Seen on one machine: 4.7 s of processor time and 158 MB with pandas and scikit-learn at hand, 0.5 s
and 55 MB without. Serving uses none of them. A process that trains on several machines needs them
(`lightgbm.dask`) and must not call this.
"""

from __future__ import annotations

import importlib
import sys

_NOT_NEEDED = ("dask", "graphviz", "matplotlib", "pandas", "pyarrow", "sklearn")


def load_lightgbm() -> None:
    """Import LightGBM alone; does nothing in a process that has it. What others import is theirs:
    the libraries are hidden for this one import."""
    if "lightgbm" in sys.modules:
        return
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's "not there"
    try:
        importlib.import_module("lightgbm")
    finally:
        for name in hidden:
            del sys.modules[name]
