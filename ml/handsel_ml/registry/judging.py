"""A challenger held against the champion, on deals opened after it was trained: on facts of
one's own, or on the simulated town of its own config until there are labels of one's own.

Results on a simulated town are never called real.
"""

from __future__ import annotations

import msgspec

from handsel_ml.config import TrainingConfig
from handsel_ml.contract import micros
from handsel_ml.errors import RegistryRefused
from handsel_ml.facts import FactTable
from handsel_ml.labels import exposures_known
from handsel_ml.model import Model
from handsel_ml.registry.gates import GateTable, judge_run
from handsel_ml.report.runs import run_of, runs_of_town
from handsel_ml.rows import slices, training_set


def judge_in_town(challenger: Model, champion: Model, explained: tuple[str, ...] = ()) -> GateTable:
    """On the town of the challenger's config, simulated again.

    Raises `RegistryRefused` (town_missing) for a model that was not trained on a town, and what
    `runs_of_town` and `judge` raise.
    """
    kind, config = challenger.kind, _config_of(challenger)
    if config.town is None:
        detail = f"{challenger.info.model_id} was trained on facts of one's own: give an export"
        raise RegistryRefused("town_missing", detail)
    run = runs_of_town(config, {kind: challenger}, {kind: champion})[kind]
    return judge_run(run, challenger, champion.info, explained)


def judge_on_facts(
    challenger: Model, champion: Model, table: FactTable, explained: tuple[str, ...] = ()
) -> GateTable:
    """On facts of one's own: the deals opened after the challenger's training whose labels were
    there when its config says that it is judged. Raises `TrainingRefused` and as `judge`."""
    kind, config = challenger.kind, _config_of(challenger)
    trained_us, judged_us = micros(config.split.trained_as_of), micros(config.split.judged_as_of)
    exposures = exposures_known(table, trained_us, judged_us)
    known = table.known_before(judged_us)
    rows = training_set(known, exposures, kind, config.split, config.seed)
    run = run_of(rows, slices(rows, config.split, 0), challenger, champion, {})
    return judge_run(run, challenger, champion.info, explained)


def _config_of(model: Model) -> TrainingConfig:
    try:
        return msgspec.convert(model.info.config, TrainingConfig, strict=False)
    except msgspec.ValidationError as error:
        detail = f"{model.info.model_id} does not say how it was trained: {error}"
        raise RegistryRefused("town_missing", detail) from error
