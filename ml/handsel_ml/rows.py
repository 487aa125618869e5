"""The training set: which rows, their features as of the deal's acceptance, their slices."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.config import Split
from handsel_ml.contract import ScoreKind, micros
from handsel_ml.errors import TrainingRefused
from handsel_ml.facts import FactTable, Ints, check_table
from handsel_ml.features import FEATURES, feature_rows
from handsel_ml.labels import Exposures

Floats = NDArray[np.float64]
_UNSEEN_MIX = 2654435761  # Knuth's multiplicative hash: which members are kept out


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by column: `matrix` float64 (rows, features), times in microseconds, labels 0/1,
    `role` 0 buyer, 1 seller.

    `indeterminate` counts the rows that were dropped because the deal said nothing.
    """

    kind: ScoreKind
    names: tuple[str, ...]
    matrix: Floats
    label: Ints
    member: Ints
    role: Ints
    opened: Ints
    available: Ints
    closed: Ints
    indeterminate: int


class Slices(msgspec.Struct, frozen=True, kw_only=True):
    """Row indices. Fit, validation and calibration follow one another in time; test comes after
    the moment of training; `unseen` is the part of test whose members were in no other slice."""

    fit: Ints
    validation: Ints
    calibration: Ints
    test: Ints
    unseen: Ints


def training_set(
    table: FactTable, exposures: Exposures, kind: ScoreKind, split: Split, seed: int
) -> TrainingSet:
    """Keep rows that can be fitted on or judged, cap them per member, build their features.

    Raises `TrainingRefused` for a bad fact table.
    """
    check_table(table)
    label = exposures.labels[kind]
    trained, judged = micros(split.trained_as_of), micros(split.judged_as_of)
    available = exposures.available(kind)
    later = exposures.opened >= trained
    usable = np.flatnonzero((label >= 0) & (available <= np.where(later, judged, trained)))
    rng = np.random.Generator(np.random.PCG64(seed))
    owner = exposures.member[usable] * 2 + later[usable]
    rows = np.sort(usable[_capped(rng, owner, split.rows_per_member)])
    return built_rows(table, exposures, kind, rows)


def built_rows(table: FactTable, exposures: Exposures, kind: ScoreKind, rows: Ints) -> TrainingSet:
    """Some exposures (indices) with their features as of the moment they were opened."""
    label = exposures.labels[kind]
    member, opened = exposures.member[rows], exposures.opened[rows]
    built = feature_rows(table, member, opened, kind)
    return TrainingSet(
        kind=kind,
        names=tuple(feature.name for feature in FEATURES[kind]),
        matrix=built.matrix,
        label=label[rows],
        member=member,
        role=exposures.role[rows],
        opened=opened,
        available=exposures.available(kind)[rows],
        closed=built.closed,
        indeterminate=int((label < 0).sum()),
    )


def _capped(rng: np.random.Generator, owner: Ints, most: int) -> Ints:
    """Positions of at most `most` rows per owner, chosen at random."""
    order = rng.permutation(len(owner))
    order = order[np.argsort(owner[order], kind="stable")]
    grouped = owner[order]
    fresh = np.append(True, grouped[1:] != grouped[:-1])
    place = np.arange(len(order))
    rank = place - np.maximum.accumulate(np.where(fresh, place, 0))
    kept: Ints = order[rank < most]
    return kept


def check_set(rows: TrainingSet) -> None:
    """Refuse rows of other columns, shapes, labels or impossible times: `TrainingRefused`."""
    names = tuple(feature.name for feature in FEATURES[rows.kind])
    if rows.names != names:
        odd = sorted(set(rows.names) ^ set(names)) or list(rows.names)
        raise TrainingRefused("unknown_columns", f"not the {rows.kind} features: {odd}")
    if rows.matrix.shape != (len(rows.label), len(names)):
        raise TrainingRefused("shape_wrong", f"{rows.matrix.shape} for {len(rows.label)} labels")
    if not np.isin(rows.label, (0, 1)).all():
        raise TrainingRefused("label_invalid", "labels are 0 or 1")
    if (rows.available < rows.opened).any():
        raise TrainingRefused("dates_out_of_order", "a label was available before its deal")
    if len(np.unique(rows.label)) < 2:
        raise TrainingRefused("constant_label", f"every row is {rows.label[:1].tolist()}")


def slices(rows: TrainingSet, split: Split, least_bads: int) -> Slices:
    """Cut the rows by time. Raises `TrainingRefused` where a slice has too few bads or, if there is
    a time to judge in, the test slice has only one outcome; with `least_bads` 0 never."""
    now, judged_at = micros(split.trained_as_of), micros(split.judged_as_of)
    mixed = (rows.member * _UNSEEN_MIX) % 2**32
    kept_out = mixed < int(split.unseen_share * 2**32)
    matured = np.flatnonzero((rows.available <= now) & ~kept_out)
    matured = matured[np.argsort(rows.opened[matured], kind="stable")]
    fit_end = int(len(matured) * (1 - split.validation_share - split.calibration_share))
    validation_end = int(len(matured) * (1 - split.calibration_share))
    scored = rows.closed >= 3
    judged = (rows.opened >= now) & (rows.available <= judged_at)
    test = np.flatnonzero(judged & scored)
    calibration = matured[validation_end:]
    cut = Slices(
        fit=matured[:fit_end],
        validation=matured[fit_end:validation_end],
        calibration=calibration[scored[calibration]],
        test=test,
        unseen=test[kept_out[test]],
    )
    for name in ("fit", "validation", "calibration"):
        bads = int(rows.label[getattr(cut, name)].sum())
        if bads < least_bads:
            raise TrainingRefused("too_few_bads", f"{name}: {bads}, needed {least_bads}")
    if least_bads > 0 and judged_at > now:
        _check_test(rows.label[test])
    return cut


def _check_test(label: Ints) -> None:
    """Without both outcomes no model is judged."""
    bads = int(label.sum())
    if bads == 0:
        raise TrainingRefused("too_few_bads", f"test: 0 of {len(label)} deals, needed 1")
    if bads == len(label):
        raise TrainingRefused("constant_label", f"test: all {bads} deals are bad")
