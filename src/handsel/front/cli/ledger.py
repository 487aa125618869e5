"""`handsel anchor`, `handsel verify` and `handsel ledger …`: the books for those who audit them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import rich
from rich.table import Table

from handsel.foundation.core.errors import Problem, UserError
from handsel.foundation.core.money import plain
from handsel.foundation.db.pool import Connection, connect
from handsel.foundation.db.uow import begin
from handsel.front.cli.console import say, step
from handsel.money.ledger import errors as _errors  # noqa: F401 - names what SQL refuses
from handsel.money.ledger import export, journal, periods, seals
from handsel.money.ledger.chain import Anchor
from handsel.money.ledger.periods import ClosedPeriod
from handsel.money.ledger.verify import Verdict, verify_file

T = TypeVar("T")
_SHOWN = 20


def _with(url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        conn = await connect(url)
        try:
            return await work(conn)
        finally:
            await conn.close()

    return asyncio.run(run())


def print_anchor(url: str) -> None:
    """Seal what can be sealed, and print where both chains are."""

    async def work(conn: Connection) -> Anchor:
        await seals.seal_all(conn)
        return await seals.anchor(conn)

    print(msgspec.json.encode(_with(url, work)).decode())


def export_ledger(url: str, file: Path) -> None:
    """Write the export."""

    async def work(conn: Connection) -> int:
        await seals.seal_all(conn)
        return await export.write(conn, file)

    with step("Writing the ledger down"):
        count = _with(url, work)
    say(f"{file}: {count} lines. Check it anywhere with `handsel verify {file}`.")


def export_journal(url: str, file: Path) -> None:
    """Write the journal."""
    with step("Writing the journal"):
        _with(url, lambda conn: journal.write_beancount(conn, file))
    say(f"{file}: check it with `bean-check {file}`.")


def verify_export(file: Path, anchor: Path | None) -> int:
    """Print what an export says of itself; 1 if anything in it does not hold."""
    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    verdict = verify_file(file, _read_anchor(anchor) if anchor else None)
    _print_verdict(verdict, anchored=anchor is not None)
    return 1 if verdict.findings else 0


def _read_anchor(file: Path) -> Anchor:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Anchor)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise UserError(f"{file} is no anchor: {error}.") from None


def _print_verdict(verdict: Verdict, *, anchored: bool) -> None:
    for finding in verdict.findings[:_SHOWN]:
        print(f"{finding.where}: {finding.what}")
    if len(verdict.findings) > _SHOWN:
        print(f"… and {len(verdict.findings) - _SHOWN} more")
    print(
        f"{verdict.transfers} transfers ({verdict.unsealed} not sealed yet) in {verdict.blocks}"
        f" blocks, {verdict.accounts} accounts, {verdict.entries} audit entries:"
        f" {len(verdict.findings)} faults"
    )
    if not anchored:
        say("Without --anchor nobody can say whether the end was cut off.")


def close_month(url: str, month: str) -> None:
    """Close a month and print its trial balance."""
    first = parse_month(month)

    async def work(conn: Connection) -> tuple[ClosedPeriod, dict[str, int]]:
        await seals.seal_all(conn)
        async with begin(conn) as tx:
            await periods.close(tx, first)
        rows = await conn.fetch("SELECT code, exponent FROM money.units")
        return await periods.read(conn, first), {row["code"]: row["exponent"] for row in rows}

    try:
        closed, places = _with(url, work)
    except Problem as problem:
        raise UserError(f"{month} was not closed ({problem.code}): {problem.detail}") from None
    _print_period(closed, places)


def parse_month(text: str) -> date:
    """``2026-10`` as its first day. Raises ``UserError``."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no time zone
    except ValueError:
        raise UserError("A month is written like 2026-10.") from None


def _print_period(closed: ClosedPeriod, places: dict[str, int]) -> None:
    table = Table("account", "unit", box=None)
    for title in ("opening", "debits", "credits", "closing"):
        table.add_column(title, justify="right")
    for line in closed.balances:
        amounts = (line.opening, line.debits, line.credits, line.closing)
        table.add_row(line.kind, line.unit, *(plain(a, places[line.unit]) for a in amounts))
    rich.print(table)
    for item in closed.overdue:
        amount = plain(item.amount, places[item.unit])
        print(f"overdue: {item.kind} {item.reference} {amount} {item.unit} since {item.since}")
    print(f"{closed.month:%Y-%m} is closed.")
