"""Facts on disk: equal when they come back, cut by time, refused when altered.

The same facts out of PostgreSQL, and a training matrix out of the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from handsel.foundation.db.uow import Tx
from handsel.people.credit import exporting, queries, service
from handsel_ml.contract import EPOCH, micros
from handsel_ml.errors import CreditError
from handsel_ml.facts import COLUMNS, NOT_RETRACTED, FactTable, table_of
from handsel_ml.features import feature_rows
from handsel_ml.labels import exposures_of
from handsel_ml.scale.manifest import MANIFEST_FILE, Manifest, file_sha256, write_manifest
from handsel_ml.scale.matrix import write_matrix
from handsel_ml.scale.parquet import FactWriter, read_facts, write_facts
from handsel_ml.simulate import Town
from tests.factories.members import add_member
from tests.people.credit.deals import good_deals

_MIDDLE = datetime(2025, 6, 15, 12, tzinfo=UTC)


def numbered(table: FactTable) -> FactTable:
    """The same facts, numbered as a reader numbers them: only who and what occurs, by sorted id."""
    order = np.unique(np.append(table.order, -1), return_inverse=True)[1][:-1] - 1
    source = np.unique(table.source, return_inverse=True)[1]
    names = np.array(table.names)[table.member]
    others = np.append(np.array(table.names), "")[table.counterparty]
    occurring = sorted({*names.tolist(), *others.tolist()} - {""})
    return msgspec.structs.replace(
        table,
        names=tuple(occurring),
        member=np.searchsorted(occurring, names),
        counterparty=np.where(others == "", -1, np.searchsorted(occurring, others)),
        order=order,
        source=source,
    )


def same(one: FactTable, other: FactTable) -> bool:
    return one.names == other.names and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS
    )


def small(town: Town) -> FactTable:
    """A part of the town; a few facts were taken back, a month later."""
    table = town.table.take(town.table.member % 32 == 0)
    back = np.arange(len(table)) % 50 == 3
    month = 30 * 86_400 * 1_000_000
    retracted = np.where(back, table.known + month, table.retracted)
    return msgspec.structs.replace(table, retracted=retracted)


@pytest.fixture(scope="module")
def written(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "export"
    write_facts(small(town), folder, town.plan.end, part_rows=300)
    return folder


@pytest.fixture
def export(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may harm."""
    return shutil.copytree(written, tmp_path / "export")


def test_a_round_trip_is_equal(town: Town, export: Path) -> None:
    manifest = msgspec.json.decode((export / MANIFEST_FILE).read_bytes(), type=Manifest)

    back = read_facts(export)

    assert same(back, numbered(small(town).known_before(micros(town.plan.end))))
    assert manifest.rows == len(back) == sum(part.rows for part in manifest.files)
    assert max(part.rows for part in manifest.files) == 300
    assert all(part.name[:7] == _month(part.first_known) for part in manifest.files)
    assert (export / MANIFEST_FILE).stat().st_mode & 0o777 == 0o600


def _month(us: int) -> str:
    return f"{EPOCH + timedelta(microseconds=us):%Y-%m}"


def test_a_moment_reads_what_was_known_before_it(town: Town, export: Path) -> None:
    full = small(town)
    known = int(full.known[len(full) // 2])
    moment = EPOCH + timedelta(microseconds=known)

    past = read_facts(export, moment)

    assert same(past, numbered(full.known_before(known)))
    assert len(past) == int((full.known < known).sum()) < int((full.known <= known).sum())
    assert (
        0
        < int((past.retracted < NOT_RETRACTED).sum())
        < int((full.retracted < NOT_RETRACTED).sum())
    )
    assert len(read_facts(export, town.plan.start)) == 0


def _flip_a_byte(folder: Path) -> None:
    path = min(folder.glob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _edit_the_manifest(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(path.read_text().replace("2026-07-01", "2026-08-01"))


def _list_a_file_twice(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
    twice = (*manifest.files, manifest.files[0])
    write_manifest(folder, msgspec.structs.replace(manifest, files=twice))


def _add_a_file(folder: Path) -> None:
    (folder / "2030-01-000.parquet").write_bytes(min(folder.glob("*.parquet")).read_bytes())


def _rewritten(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    """The first file with other content, and a manifest that agrees with it."""

    def rewrite(folder: Path) -> None:
        manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
        first, *rest = manifest.files
        path = folder / first.name
        change(pl.read_parquet(path)).write_parquet(path)
        hashed = msgspec.structs.replace(first, sha256=file_sha256(path))
        write_manifest(folder, msgspec.structs.replace(manifest, files=(hashed, *rest)))

    return rewrite


@pytest.mark.parametrize(
    ("code", "harm"),
    [
        ("export_missing", lambda folder: (folder / MANIFEST_FILE).unlink()),
        ("export_corrupt", lambda folder: (folder / MANIFEST_FILE).write_text("{}")),
        ("hash_mismatch", _flip_a_byte),
        ("hash_mismatch", _edit_the_manifest),
        ("file_missing", lambda folder: min(folder.glob("*.parquet")).unlink()),
        ("file_unlisted", _add_a_file),
        ("duplicate_files", _list_a_file_twice),
        ("unknown_columns", _rewritten(lambda f: f.with_columns(pl.lit(1).alias("sex")))),
        ("unknown_columns", _rewritten(lambda f: f.drop("weight"))),
        ("column_type", _rewritten(lambda f: f.with_columns(pl.col("amount").cast(pl.Float64)))),
        ("kind_unknown", _rewritten(lambda f: f.with_columns(pl.lit("sneezed").alias("kind")))),
        ("role_unknown", _rewritten(lambda f: f.with_columns(pl.lit("judge").alias("role")))),
        ("value_missing", _rewritten(lambda f: f.with_columns(member=pl.lit(None, pl.String)))),
    ],
)
def test_what_was_not_written_is_refused(
    export: Path, code: str, harm: Callable[[Path], object]
) -> None:
    harm(export)

    with pytest.raises(CreditError) as refused:
        read_facts(export)

    assert refused.value.code == code


def test_an_export_overwrites_nothing_and_ends_with_its_moment(town: Town, export: Path) -> None:
    before = {path.name: path.read_bytes() for path in export.iterdir()}
    later = town.plan.end + timedelta(days=1)

    with pytest.raises(CreditError, match="folder_not_empty"):
        write_facts(town.table, export, town.plan.end)
    with pytest.raises(CreditError, match="not_exported"):
        read_facts(export, later)

    assert {path.name: path.read_bytes() for path in export.iterdir()} == before


def test_an_interrupted_export_is_none(town: Town, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    backwards = pl.DataFrame({name: [None, None] for name in COLUMNS}).with_columns(
        known=pl.Series([2, 1])
    )

    with (
        pytest.raises(CreditError, match="dates_out_of_order"),
        FactWriter(folder, town.plan.end, "test") as writer,
    ):
        writer.add(backwards)
    with pytest.raises(CreditError, match="export_missing"):
        read_facts(folder)


@pytest.mark.parametrize("missing", ["weight", "member"])
def test_other_columns_are_not_written(tmp_path: Path, missing: str) -> None:
    columns: dict[str, list[object]] = {name: [1] for name in COLUMNS if name != missing}

    with (
        pytest.raises(CreditError, match="unknown_columns"),
        FactWriter(tmp_path / "export", _MIDDLE, "test") as writer,
    ):
        writer.add(columns)


async def exported(tx: Tx, folder: Path, until: datetime) -> FactTable:
    with FactWriter(folder, until, await exporting.schema_version(tx.conn)) as writer:
        async for columns in exporting.fact_columns(tx.conn, until):
            writer.add(columns)
    assert writer.written().schema_version >= "0026"
    return read_facts(folder)


async def test_postgresql_gives_what_the_house_knows(tx: Tx, tmp_path: Path) -> None:
    member, *others = [await add_member(tx) for _ in range(4)]
    service.record(tx, good_deals(tx, member, others))
    await tx.flush()
    until = tx.now + timedelta(seconds=1)

    table = await exported(tx, tmp_path / "export", until)

    everybody = [m.id for m in (member, *others)]
    known = [fact for id_ in everybody for fact in await queries.facts_before(tx, id_, until)]
    expected = table_of(known)
    assert table.names == expected.names
    assert len(table) == len(known) >= 12
    assert sorted(zip(*(getattr(table, name) for name in COLUMNS), strict=True)) == sorted(
        zip(*(getattr(expected, name) for name in COLUMNS), strict=True)
    )
    assert [batch async for batch in exporting.fact_columns(tx.conn, tx.now)] == []


async def test_a_retraction_is_told_from_its_moment_on(tx: Tx, tmp_path: Path) -> None:
    member, *others = [await add_member(tx) for _ in range(3)]
    service.record(tx, good_deals(tx, member, others))
    await tx.flush()
    at = tx.now + timedelta(seconds=1)
    # As if staff had decided an appeal: that is tested where appeals are.
    await tx.execute("SET LOCAL ROLE NONE")
    await tx.execute("SET LOCAL session_replication_role = replica")
    await tx.execute(
        "INSERT INTO people.fact_retractions (fact_id, member_id, appeal_id, reason, proposed_by,"
        "  confirmed_by, retracted_at)"
        " SELECT id, member_id, uuidv7(), 'wrong', uuidv7(), uuidv7(), $2"
        "   FROM people.facts WHERE member_id = $1 LIMIT 1",
        member.id,
        at,
    )
    await tx.execute("SET LOCAL session_replication_role = origin")
    await tx.execute("SET LOCAL ROLE handsel_app")

    before = [batch["retracted"] async for batch in exporting.fact_columns(tx.conn, at)]
    after = await exported(tx, tmp_path / "after", at + timedelta(microseconds=1))

    assert {us for column in before for us in column} == {NOT_RETRACTED}
    assert after.retracted[after.retracted < NOT_RETRACTED].tolist() == [micros(at)]


def test_the_matrix_is_that_of_the_facts(town: Town, tmp_path: Path) -> None:
    write_facts(town.table, tmp_path / "export", town.plan.end)
    file = tmp_path / "matrix.parquet"

    rows = write_matrix(tmp_path / "export", file, "financial", _MIDDLE)

    past = numbered(town.table.known_before(micros(_MIDDLE)))
    deals = exposures_of(past)
    usable = (deals.labels["financial"] >= 0) & (deals.available("financial") <= micros(_MIDDLE))
    made = feature_rows(past, deals.member[usable], deals.opened[usable], "financial").matrix
    frame = pl.read_parquet(file)
    assert rows == len(frame) == int(usable.sum()) > 100
    assert frame["label"].to_list() == deals.labels["financial"][usable].tolist()
    assert frame["member"].to_list() == [past.names[i] for i in deals.member[usable]]
    stored = frame.select(frame.columns[6:]).cast(pl.Float64).fill_null(np.nan).to_numpy()
    assert np.array_equal(stored, made, equal_nan=True)
    with pytest.raises(CreditError, match="file_exists"):
        write_matrix(tmp_path / "export", file, "financial")
