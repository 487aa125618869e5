"""The commands of an auditor, each a process of its own, and files that were tampered with."""

import gzip
import json
import stat
from pathlib import Path

import asyncpg
import pytest

from handsel.foundation.db.pool import connect
from handsel.money.ledger.verify import verify_file
from tests.front.house import handsel
from tests.money.ledger.books import CLEARING, FEE, findings, post, post_many, wallet


@pytest.fixture(scope="module")
async def export(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a ledger with a past, made by the command."""
    conn = await connect(database_url)
    member = await wallet(conn)
    await post_many(conn, CLEARING, member, 30)
    await post(conn, member, FEE, 12)
    await conn.close()
    home = tmp_path_factory.mktemp("auditor")
    file = home / "ledger.jsonl.gz"
    done = handsel(home, "ledger", "export", str(file), HANDSEL_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    return file


def rewritten(file: Path, to: Path, old: str, new: str) -> Path:
    """A copy in which one text is another."""
    text = gzip.decompress(file.read_bytes()).decode()
    assert text.count(old) >= 1
    to.write_bytes(gzip.compress(text.replace(old, new, 1).encode()))
    return to


def test_an_export_is_private_and_verifies_without_a_database(export: Path, tmp_path: Path) -> None:
    done = handsel(
        tmp_path, "verify", str(export), HANDSEL_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x"
    )

    assert (done.returncode, stat.S_IMODE(export.stat().st_mode)) == (0, 0o600)
    assert done.stdout.startswith("31 transfers (0 not sealed yet) in 1 blocks, ")
    assert done.stdout.endswith(" 1 audit entries: 0 faults\n")
    assert "--anchor" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_altered_file_names_the_transfer(export: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(export.read_bytes()).decode().splitlines()
    row = next(r for r in map(json.loads, lines) if r.get("amount") == 17)
    altered = rewritten(
        export, tmp_path / "a.gz", f'"id" : "{row["id"]}"', f'"id" : "{row["id"][:-1]}z"'
    )

    done = handsel(tmp_path, "verify", str(altered))

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"block 1, transfer 17 {row['id'][:-1]}z: altered",
        done.stdout.splitlines()[-1],
    ]


async def test_the_anchor_of_later_sees_what_an_older_export_lacks(
    export: Path, database_url: str, tmp_path: Path
) -> None:
    conn = await connect(database_url)
    await post(conn, CLEARING, FEE, 1)
    await conn.close()
    printed = handsel(tmp_path, "anchor", HANDSEL_DATABASE_URL=database_url)
    anchor = tmp_path / "anchor.json"
    anchor.write_text(printed.stdout)

    done = handsel(tmp_path, "verify", str(export), "--anchor", str(anchor))

    told = json.loads(printed.stdout)
    assert set(told) == {
        "audit_seq", "audit_hash", "ledger_block", "ledger_hash", "transfers", "at", "version",
    }  # fmt: skip
    assert (told["ledger_block"], told["audit_seq"], told["transfers"]) == (2, 2, 32)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:3] == [
        "ledger: cut off: the anchor knows block 2, the last one here is 1",
        "ledger: the anchor knows 32 sealed transfers, here are 31",
        "audit: cut off: the anchor knows entry 2, the last one here is 1",
    ]


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_file_cut_off_is_unreadable(export: Path, tmp_path: Path, keep: float) -> None:
    whole = export.read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[: int(len(whole) * keep)])

    found = findings(verify_file(tmp_path / "cut.gz"))

    assert found[0].startswith("file, after line ")
    assert "file: it is cut off, or lines were taken out of it" in found


def test_a_line_taken_out_is_seen(export: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(export.read_bytes()).decode().splitlines(keepends=True)
    last = next(n for n, line in enumerate(lines) if '"entry"' in line)
    (tmp_path / "x.gz").write_bytes(
        gzip.compress("".join(lines[:last] + lines[last + 1 :]).encode())
    )

    assert findings(verify_file(tmp_path / "x.gz")) == [
        "file: it is cut off, or lines were taken out of it"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "nowhere.gz"), "There is no file nowhere.gz."),
        (("ledger", "close", "October"), "A month is written like 2026-10."),
        (("ledger", "close", "2026-13"), "A month is written like 2026-10."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = handsel(tmp_path, *arguments)

    assert (done.returncode, done.stderr) == (2, f"handsel: {said}\n")


def test_no_anchor_is_one_sentence(export: Path, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text('{"audit_seq": 1}')

    done = handsel(tmp_path, "verify", str(export), "--anchor", str(tmp_path / "no.json"))

    assert done.returncode == 2
    assert "no.json is no anchor: " in done.stderr


async def test_check_names_an_altered_transfer(
    export: Path, database_url: str, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(database_url)
    transfer = await admin.fetchval("SELECT id FROM money.transfers WHERE seq = 9")
    change = (
        "ALTER TABLE money.transfers DISABLE TRIGGER append_only;"
        "UPDATE money.transfers SET booked_at = booked_at {} interval '1 us' WHERE seq = 9;"
        "ALTER TABLE money.transfers ENABLE TRIGGER append_only"
    )
    await admin.execute(change.format("+"))

    done = handsel(tmp_path, "check", "--json", HANDSEL_DATABASE_URL=database_url)

    await admin.execute(change.format("-"))
    await admin.close()
    (chain,) = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "L22_ledger_chain"]
    assert done.returncode == 1
    assert chain["sample"] == [f"block 1: transfer 9 {transfer} altered"]


async def test_a_month_is_closed_by_its_name(
    export: Path, database_url: str, tmp_path: Path
) -> None:
    conn = await connect(database_url)
    month = await conn.fetchval(
        "SELECT to_char(foundation.handsel_now() AT TIME ZONE 'UTC', 'YYYY-MM')"
    )
    early = handsel(tmp_path, "ledger", "close", month, HANDSEL_DATABASE_URL=database_url)
    await conn.execute("SELECT foundation.advance_clock('32 days')")
    await conn.close()

    done = handsel(tmp_path, "ledger", "close", month, HANDSEL_DATABASE_URL=database_url)
    again = handsel(tmp_path, "ledger", "close", month, HANDSEL_DATABASE_URL=database_url)

    assert (early.returncode, done.returncode, again.returncode) == (2, 0, 2)
    assert f"{month} was not closed (period_not_over)" in early.stderr
    assert f"{month} was not closed (period_already_closed)" in again.stderr
    assert done.stdout.endswith(f"{month} is closed.\n")
    assert "4.53" in done.stdout


def test_the_journal_is_written_by_its_command(
    export: Path, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.beancount"

    done = handsel(tmp_path, "ledger", "journal", str(file), HANDSEL_DATABASE_URL=database_url)

    assert done.returncode == 0, done.stderr
    assert file.read_text().count(" * ") >= 31


def test_what_is_no_hash_is_unreadable(export: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(export.read_bytes()).decode().splitlines()
    seal = next(json.loads(line) for line in lines if '"seal"' in line)
    altered = rewritten(export, tmp_path / "a.gz", seal["hash"], "no hash")

    assert findings(verify_file(altered))[0].startswith("file, after line 2: unreadable: ")
