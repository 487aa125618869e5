"""The journal is accepted by beancount itself, a process of its own: and only if it is right."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from handsel.foundation.db.pool import connect
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import journal
from handsel.money.ledger.service import HOUSE, Account
from tests.money.ledger.books import post, wallet


@pytest.fixture(scope="module")
def bean_check() -> str:
    """The program: named by HANDSEL_BEAN_CHECK, beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name("bean-check")
    found = os.environ.get("HANDSEL_BEAN_CHECK") or shutil.which("bean-check")
    program = found or (str(beside) if beside.exists() else None)
    if program is None:
        pytest.skip("bean-check absent: install beancount (the dev extra has it)")
    return program


def checked(program: str, file: Path) -> tuple[int, str]:
    """What beancount says of a journal: (status, complaints)."""
    done = subprocess.run(
        [program, "--no-cache", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
async def book(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three currencies with two, no and three decimals, money in, between, out, and a debt."""
    conn = await connect(database_url)
    for unit, amount in (("EUR", 123_456), ("JPY", 980), ("KWD", 5_001)):
        clearing = Account("provider_clearing", HOUSE, unit)
        one, other = await wallet(conn, unit), await wallet(conn, unit)
        await post(conn, clearing, one, amount, "top_up")
        await post(conn, one, other, amount // 3)
        await post(conn, other, Account("fee", HOUSE, unit), 1, "fee")
        await post(conn, other, Account("protection_fund", HOUSE, unit), 2, "fund_share")
    debtor = await wallet(conn)
    receivable = Account("receivable", debtor.owner, "EUR")
    await conn.execute(
        "SELECT money.open_accounts(ARRAY['receivable'], ARRAY[$1::uuid], ARRAY['EUR'])",
        debtor.owner,
    )
    await post(conn, receivable, Account("losses", HOUSE, "EUR"), 250)
    file = tmp_path_factory.mktemp("journal") / "ledger.beancount"
    await journal.write_beancount(conn, file)
    await conn.close()
    return file


async def test_beancount_accepts_the_ledger(book: Path, bean_check: str) -> None:
    assert checked(bean_check, book) == (0, "")


async def test_every_balance_of_ours_is_asserted(book: Path, database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    ours = await conn.fetch(
        "SELECT CASE WHEN folded THEN money.folded_balance(id) ELSE balance END AS balance,"
        " exponent FROM money.accounts JOIN money.units ON code = unit WHERE EXISTS (SELECT FROM"
        " money.transfers t WHERE accounts.id IN (t.debit_account, t.credit_account))"
    )
    await conn.close()

    asserted = re.findall(r"^\S+ balance \S+  (\S+) ~ 0 \w+$", book.read_text(), re.MULTILINE)

    assert sorted(int(text.replace(".", "")) for text in asserted) == sorted(
        -row["balance"] for row in ours
    )
    assert {len(text.partition(".")[2]) for text in asserted} == {0, 2, 3}


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        (r"1234\.56 EUR\n", "1234.57 EUR\n", "does not balance"),
        (r"1234\.56 EUR", "1234.57 EUR", "Balance failed"),
        (r"(?<=~ 0 )EUR", "GBP", "Invalid currency|Balance failed"),
        (r"\d{4}-\d\d-\d\d open Income:Fee:EUR EUR\n", "", "inactive account|Invalid reference"),
    ],
)
async def test_beancount_refuses_an_altered_journal(
    book: Path, bean_check: str, tmp_path: Path, found: str, instead: str, said: str
) -> None:
    # On one side, the transaction does not balance; on both, the account does not.
    count = 1 if said == "does not balance" else 0
    altered, made = re.subn(found, instead, book.read_text(), count=count)
    file = tmp_path / "altered.beancount"
    file.write_text(altered)

    status, complaint = checked(bean_check, file)

    assert made > 0
    assert status == 1
    assert re.search(said, complaint), complaint


async def test_one_cent_in_the_last_balance_is_seen(
    book: Path, bean_check: str, tmp_path: Path
) -> None:
    # By itself beancount forgives two units of the last digit; "~ 0" forbids it.
    altered, made = re.subn(r"(balance Income:Fee:EUR  -0\.0)1", r"\g<1>2", book.read_text())
    file = tmp_path / "altered.beancount"
    file.write_text(altered)

    status, complaint = checked(bean_check, file)

    assert (made, status) == (1, 1)
    assert "Balance failed for 'Income:Fee:EUR'" in complaint


async def test_an_empty_ledger_is_a_journal_too(tx: Tx) -> None:
    text = "".join([piece async for piece in journal.beancount(tx.conn)])

    assert text.startswith('option "title" "handsel"\n')
    assert " * " not in text
