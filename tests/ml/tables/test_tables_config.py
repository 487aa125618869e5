"""Bad input to a benchmark: one code and one sentence each, found before anything is fitted."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from handsel_ml.errors import TrainingRefused
from handsel_ml.tables import TableConfig, read_table, read_table_config
from handsel_ml.tables.ours import LARGE, SMALL, design_of, size_of

CONFIG = """
separator = ","
label = "bad"
positive = 1
forbidden = ["id", "collected"]
protected = ["sex"]
least_bads = 10
[folds]
count = 2
seed = 5
[features]
late = { kind = "ordinal", sign = 1, special = [-1] }
term = { kind = "ordinal", order = ["short", "long"], sign = 1 }
trade = { kind = "categorical" }
"""
HEADER = "id,sex,late,term,trade,bad,collected,opened"


def lines(rows: int = 40) -> list[str]:
    """A header and rows of which every second is bad, in order of `opened`."""
    body = [
        f"{i},{i % 2},{i % 5 - 1},{('short', 'long')[i % 2]},{'abc'[i % 3]},{i % 2},0,"
        f"2025-01-{i % 28 + 1:02}"
        for i in range(rows)
    ]
    return [HEADER, *body]


def put(tmp_path: Path, text: str | bytes, name: str) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def config(tmp_path: Path, text: str = CONFIG) -> TableConfig:
    return read_table_config(str(put(tmp_path, text, "table.toml")))


def refusal(tmp_path: Path, table: str | bytes, text: str = CONFIG) -> TrainingRefused:
    with pytest.raises(TrainingRefused) as refused:
        read_table(put(tmp_path, table, "table.csv"), config(tmp_path, text))
    return refused.value


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_reads_numbers_orders_categories_and_gaps(tmp_path: Path, zipped: bool) -> None:
    text = "\n".join(lines()).replace("3,1,2,long,a", "3,1,NA,long,").encode()

    table = read_table(
        put(tmp_path, gzip.compress(text) if zipped else b"\xef\xbb\xbf" + text, "t.csv"),
        config(tmp_path),
    )

    assert table.names == ("late", "term", "trade")
    assert table.levels == {"trade": ("a", "b", "c")}
    assert table.matrix[:3].tolist() == [[-1, 0, 0], [0, 1, 1], [1, 0, 2]]
    assert np.isnan(table.matrix[3]).tolist() == [True, False, True]
    assert table.label[:4].tolist() == [0, 1, 0, 1]


def test_special_values_get_a_column_that_no_sign_ranks(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, "\n".join(lines()), "t.csv"), config(tmp_path))

    design = design_of(table)
    seen = design.matrix(table.matrix[:2])

    assert design.names == ("late", "late (special)", "term", "trade")
    assert design.signs == (1, 0, 1, 0)
    assert np.nan_to_num(seen, nan=-9.0).tolist() == [[-9, -1, 0, 0], [0, -9, 1, 1]]


def test_the_size_of_a_table_alone_decides_what_is_done() -> None:
    few, many = np.zeros(90_000, dtype=np.int64), np.zeros(9_000, dtype=np.int64)
    few[:1999], many[:2000] = 1, 1

    assert size_of(few) == SMALL
    assert size_of(many) == LARGE
    assert size_of(1 - few) == SMALL


@pytest.mark.parametrize("name", ["uci_default", "south_german", "lending_club"])
def test_shipped_configs_have_the_reported_folds_and_no_protected_feature(name: str) -> None:
    shipped = read_table_config(name)

    assert (shipped.folds.count, shipped.folds.seed) == (5, 20240601)
    assert not set(shipped.features) & {*shipped.protected, *shipped.forbidden, shipped.label}


@pytest.mark.parametrize(
    ("code", "old", "new", "named"),
    [
        ("unknown_columns", "trade,bad", "craft,bad", "trade"),
        ("duplicate_columns", "id,sex", "late,sex", "late"),
        ("label_missing", "trade,bad", "trade,worse", "bad"),
        ("wrong_kind", "2,0,1,short", "2,0,much,short", "'much'"),
        ("wrong_kind", "2,0,1,short", "2,0,inf,short", "'inf'"),
        ("wrong_kind", "2,0,1,short", "2,0,-1e300,short", "'-1e300' is beyond"),
        ("wrong_kind", "2,0,1,short", "2,0,nan,short", "'nan' is not a number"),
        ("wrong_kind", "2,0,1,short", "2,0,1_000,short", "'1_000' is not a number"),
        ("wrong_kind", "2,0,1,short", "2,0,1,endless", "'endless'"),
        ("label_invalid", "2,0,1,short,c,0", "2,0,1,short,c,", "1 rows"),
        ("label_invalid", "2,0,1,short,c,0", "2,0,1,short,c,maybe", "3 values"),
        ("not_a_table", "2,0,1,short,c,0,0", "2,0,1,short,c", "line 4"),
    ],
)
def test_refuses_a_wrong_table(tmp_path: Path, code: str, old: str, new: str, named: str) -> None:
    text = "\n".join(lines())
    assert old in text

    refused = refusal(tmp_path, text.replace(old, new, 1))

    assert refused.code == code
    assert named in refused.detail


@pytest.mark.parametrize(
    ("code", "table"),
    [
        ("file_empty", b""),
        ("file_empty", b" \n"),
        ("file_empty", HEADER.encode()),
        ("not_a_table", b"\x89PNG\xff\x00\x01"),
        ("not_a_table", b"\x1f\x8bnot gzip"),
        ("not_a_table", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9]),
        ("not_a_table", b"hello\nworld\n"),
        ("wrong_separator", "\n".join(lines()).replace(",", ";").encode()),
        ("positive_missing", "\n".join(lines()).replace(",1,0,2025", ",yes,0,2025").encode()),
        ("constant_label", "\n".join(lines()).replace(",0,0,2025", ",1,0,2025").encode()),
        ("too_few_bads", "\n".join(lines(19)).encode()),
    ],
)
def test_refuses_what_is_no_table_or_has_no_two_outcomes(
    tmp_path: Path, code: str, table: bytes
) -> None:
    assert refusal(tmp_path, table).code == code


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused) as table:
        read_table(tmp_path / "none.csv", config(tmp_path))
    with pytest.raises(TrainingRefused) as settings:
        read_table_config("uci_defualt")

    assert (table.value.code, settings.value.code) == ("file_missing", "config_missing")


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("protected_feature", 'protected = ["sex"]', 'protected = ["sex", "trade"]'),
        ("forbidden_feature", 'forbidden = ["id", ', 'forbidden = ["term", '),
        ("forbidden_feature", "late =", "bad ="),
        ("config_invalid", 'label = "bad"', 'label = "bad"\nweights = "equal"'),
        ("config_invalid", "sign = 1, special", "sign = 2, special"),
        ("config_invalid", '"categorical" }', '"categorical", sign = 1 }'),
        ("config_invalid", '"categorical" }', '"categorical", special = [1] }'),
        ("config_invalid", '"categorical" }', '"numeric", order = ["a", "b"] }'),
        ("config_invalid", '"categorical" }', '"words" }'),
        ("config_invalid", '["short", "long"]', '["short", "short"]'),
        ("config_invalid", 'separator = ","', 'separator = ", "'),
        ("config_invalid", "count = 2", "count = 1"),
        ("config_invalid", "positive = 1", "positive ="),
    ],
)
def test_refuses_a_wrong_config(tmp_path: Path, code: str, old: str, new: str) -> None:
    assert old in CONFIG

    with pytest.raises(TrainingRefused) as refused:
        config(tmp_path, CONFIG.replace(old, new, 1))

    assert refused.value.code == code


def test_refuses_dates_that_go_back_or_are_none(tmp_path: Path) -> None:
    dated = CONFIG.replace("least_bads", 'date = "opened"\nleast_bads')
    text = "\n".join(lines(28))

    assert read_table(put(tmp_path, text, "t.csv"), config(tmp_path, dated)).label.sum() == 14
    assert refusal(tmp_path, "\n".join(lines()), dated).code == "dates_out_of_order"
    assert refusal(tmp_path, text.replace("2025-01-03", "soon"), dated).code == "wrong_kind"


@pytest.mark.parametrize("place", [2, 3, 4], ids=["late", "term", "trade"])
def test_a_column_of_gaps_alone_is_refused(tmp_path: Path, place: int) -> None:
    head, *body = (line.split(",") for line in lines())
    text = "\n".join(",".join([*row[:place], "NA", *row[place + 1 :]]) for row in body)

    found = refusal(tmp_path, ",".join(head) + "\n" + text)

    assert (found.code, found.detail) == ("wrong_kind", f"{head[place]} is missing in every row")
