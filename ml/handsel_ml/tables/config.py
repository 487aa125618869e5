"""What a table's columns mean: a TOML file, every key known."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from handsel_ml.errors import TrainingRefused

SHIPPED = Path(__file__).parent.parent / "configs"
Kind = Literal["numeric", "ordinal", "categorical"]


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature. `sign` +1: more is never safer; -1: more is never riskier; 0: free.

    `order` names an ordinal column's texts from least to most; without it they are numbers.
    `special` are numbers that stand for something else ("no card used"): the sign does not rank
    them, neither among one another nor against the rest.
    """

    kind: Kind
    sign: Literal[-1, 0, 1] = 0
    order: tuple[str, ...] = ()
    special: tuple[float, ...] = ()


class Folds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stratified folds, the same for every model."""

    count: int = 5
    seed: int = 20240601


class TableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table: `positive` is the label's value that means bad; `missing` the texts for nothing.

    `forbidden` columns would give the outcome away, `protected` ones no model may know. A `date`
    column (ISO 8601) must not go backwards down the file.
    """

    separator: str
    label: str
    positive: str | int | float | bool
    features: dict[str, Column]
    forbidden: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("", "NA")
    date: str | None = None
    least_bads: int = 40
    folds: Folds = Folds()

    @property
    def bad(self) -> str:
        """The label's value that means bad, as text."""
        if isinstance(self.positive, bool):
            return str(self.positive).lower()
        return str(self.positive)


def read_table_config(name: str) -> TableConfig:
    """Read a config by path, or a shipped one by name. Raises `TrainingRefused`.

    Codes: config_missing, config_invalid, protected_feature, forbidden_feature.
    """
    shipped = SHIPPED / f"{name}.toml"
    path = shipped if "/" not in name and shipped.is_file() else Path(name)
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=TableConfig)
    except OSError as error:
        detail = f"no config {name}, neither a file nor a shipped one ({error.strerror})"
        raise TrainingRefused("config_missing", detail) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrainingRefused("config_invalid", f"{path}: {error}") from error
    _check(path, config)
    return config


def _check(path: Path, config: TableConfig) -> None:
    features = config.features
    if leaked := sorted(set(features) & set(config.protected)):
        detail = f"{path}: protected columns are never features: {', '.join(leaked)}"
        raise TrainingRefused("protected_feature", detail)
    if leaked := sorted(set(features) & {*config.forbidden, config.label}):
        detail = f"{path}: forbidden columns and the label are never features: {', '.join(leaked)}"
        raise TrainingRefused("forbidden_feature", detail)
    wrong = [
        (len(config.separator) != 1, "separator must be one character"),
        (not features, "there is no feature"),
        (config.folds.count < 2, "folds.count must be at least 2"),
        (config.least_bads < 10, "least_bads must be at least 10"),
    ]
    wrong += [(True, text) for name, column in features.items() for text in _odd(name, column)]
    for is_wrong, why in wrong:
        if is_wrong:
            raise TrainingRefused("config_invalid", f"{path}: {why}")


def _odd(name: str, column: Column) -> list[str]:
    """What is wrong with a feature's description."""
    found = []
    if column.kind == "categorical" and column.sign:
        found.append(f"{name} is categorical: a category has no order, so it takes no sign")
    if column.order and column.kind != "ordinal":
        found.append(f"{name} is {column.kind}: only an ordinal column has an order")
    if len(set(column.order)) < len(column.order):
        found.append(f"{name}: its order names a value twice")
    if column.special and (column.kind == "categorical" or column.order):
        found.append(f"{name}: special values are for numbers")
    return found
