"""How good a model is: figures, their intervals, groups, vintages, swap sets.

`figures` needs labels and PDs alone; the rest reads `Judged`. Intervals resample members, never
deals: the deals of one member share a fate, and an interval that forgets it is too narrow.
Needs numpy and scipy alone.
"""

from handsel_ml.evaluate.bootstrap import Interval, intervals, paired_difference
from handsel_ml.evaluate.figures import (
    auc,
    brier,
    ece,
    equal_bins,
    figures,
    gini,
    ks,
    log_loss,
    measured,
    observed_to_expected,
    roc,
)
from handsel_ml.evaluate.groups import GroupFigures, by_band, by_group, by_segment
from handsel_ml.evaluate.swaps import Swaps, swap_difference, swap_sets
from handsel_ml.evaluate.vintages import VintageCurve, by_vintage, vintage_curves

__all__ = [
    "GroupFigures",
    "Interval",
    "Swaps",
    "VintageCurve",
    "auc",
    "brier",
    "by_band",
    "by_group",
    "by_segment",
    "by_vintage",
    "ece",
    "equal_bins",
    "figures",
    "gini",
    "intervals",
    "ks",
    "log_loss",
    "measured",
    "observed_to_expected",
    "paired_difference",
    "roc",
    "swap_difference",
    "swap_sets",
    "vintage_curves",
]
