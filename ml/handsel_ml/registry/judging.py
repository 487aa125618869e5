"""A challenger judged on the simulated town of its own config, until there are labels of our own.

The months after its training are simulated again; champion and challenger answer about the same
deals. Results on a simulated town are never called real.
"""

from __future__ import annotations

import msgspec

from handsel_ml.config import TrainingConfig
from handsel_ml.errors import RegistryRefused
from handsel_ml.model import Model
from handsel_ml.registry.gates import GateTable, judge_run
from handsel_ml.report.runs import runs_of_town


def judge_in_town(challenger: Model, champion: Model, explained: tuple[str, ...] = ()) -> GateTable:
    """Hold a challenger against the champion.

    Raises `RegistryRefused` (town_missing) for a model that was not trained on a town, and what
    `runs_of_town` and `judge` raise.
    """
    kind = challenger.kind
    try:
        config = msgspec.convert(challenger.info.config, TrainingConfig, strict=False)
    except msgspec.ValidationError as error:
        detail = f"{challenger.info.model_id} says of no town that it was trained on: {error}"
        raise RegistryRefused("town_missing", detail) from error
    run = runs_of_town(config, {kind: challenger}, {kind: champion})[kind]
    return judge_run(run, challenger, champion.info, explained)
