"""Made-up deals as models see them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from handsel_ml.judged import Judged
from handsel_ml.scorecard import ScoreMap


def scored(columns: dict[str, Any], model_id: str, odds: Any) -> Judged:
    """These deals as a model with such log-odds sees them."""
    points = np.array([ScoreMap().points(float(one)) for one in odds])
    return Judged(model_id=model_id, pd=1 / (1 + np.exp(-odds)), points=points, **columns)


def with_odds(judged: Judged, odds: Any) -> Judged:
    """The same deals, scored otherwise."""
    points = np.array([ScoreMap().points(float(one)) for one in odds])
    return msgspec.structs.replace(judged, pd=1 / (1 + np.exp(-odds)), points=points)
