"""The models of this process: loaded once and hash-checked, or absent with a reason."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import structlog

from handsel_ml.contract import ScoreKind
from handsel_ml.errors import BundleInvalid
from handsel_ml.model import Model
from handsel_ml.serve import BUNDLES, load_models

_log = structlog.get_logger()


class Models(NamedTuple):
    """Both models, or ``failure``: the stable code of why there are none."""

    by_kind: dict[ScoreKind, Model]
    failure: str | None


@cache
def models_in(root: Path = BUNDLES) -> Models:
    """The models under a folder. One that cannot be trusted takes both away: nobody is scored."""
    try:
        return Models(load_models(root), None)
    except BundleInvalid as error:
        _log.error("credit_models_unusable", code=error.code, detail=error.detail)
        return Models({}, error.code)
