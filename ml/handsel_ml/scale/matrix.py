"""A training matrix out of an export: one row per accepted deal and party whose label matured."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from handsel_ml.contract import ROLES, ScoreKind, micros
from handsel_ml.errors import TrainingRefused
from handsel_ml.facts import FactTable, check_table
from handsel_ml.labels import exposures_of
from handsel_ml.rows import TrainingSet, built_rows
from handsel_ml.scale.manifest import read_manifest
from handsel_ml.scale.parquet import read_facts


def matured_rows(table: FactTable, kind: ScoreKind, as_of: datetime) -> TrainingSet:
    """Every labelled row that one may train on as of a moment, features as of its deal.

    Sees only what was known before the moment. Raises `TrainingRefused` for a bad table.
    """
    past = table.known_before(micros(as_of))
    check_table(past)
    exposures = exposures_of(past)
    label, available = exposures.labels[kind], exposures.available(kind)
    rows = np.flatnonzero((label >= 0) & (available <= micros(as_of)))
    return built_rows(past, exposures, kind, rows)


def write_matrix(folder: Path, file: Path, kind: ScoreKind, as_of: datetime | None = None) -> int:
    """Read an export, write the matrix as Parquet; how many rows. Default: as of the export.

    Columns: member, role, opened, available (UTC), closed, label, then the features by name (null:
    no history). Kind, moment and export are in the file's metadata. Raises `FactInvalid`,
    `TrainingRefused`; the file is not touched then.
    """
    if file.exists():
        raise TrainingRefused("file_exists", f"{file} is there; nothing is overwritten")
    manifest = read_manifest(folder)
    moment = as_of or datetime.fromisoformat(manifest.as_of)
    table = read_facts(folder, moment)
    rows = matured_rows(table, kind, moment)
    about = {"kind": kind, "as_of": moment.isoformat(), "export_id": manifest.export_id}
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        _frame(rows, table.names).write_parquet(out, compression="zstd", metadata=about)
    return len(rows.label)


def _frame(rows: TrainingSet, names: tuple[str, ...]) -> pl.DataFrame:
    people, roles = pl.Series(names, dtype=pl.String), pl.Series(ROLES, dtype=pl.String)
    return pl.DataFrame(
        {
            "member": people.gather(rows.member),
            "role": roles.gather(rows.role),
            "opened": _moments(rows.opened),
            "available": _moments(rows.available),
            "closed": rows.closed,
            "label": rows.label,
            **{
                name: pl.Series(rows.matrix[:, i], nan_to_null=True)
                for i, name in enumerate(rows.names)
            },
        }
    )


def _moments(us: np.ndarray) -> pl.Series:
    return pl.Series(us).cast(pl.Datetime("us", "UTC"))
