"""A serving process does not pay for what only training needs."""

import subprocess
import sys

_SERVE = """
import sys
from handsel_ml.lean import load_lightgbm
load_lightgbm()
from handsel_ml.serve import load_models
load_models()
loaded = {name for name, module in sys.modules.items() if module is not None}
print(sorted({"dask", "matplotlib", "pandas", "polars", "pyarrow", "sklearn"} & loaded))
print([name for name in ("dask", "pandas", "sklearn") if name in sys.modules])
"""


def test_serving_loads_lightgbm_alone_and_hides_nothing_from_others() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _SERVE], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert said == ["[]", "[]"]
