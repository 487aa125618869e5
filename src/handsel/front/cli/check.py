"""`handsel check`: run the invariants on the live database and say what they found."""

import asyncio

import msgspec
import rich
from rich.table import Table

from handsel.foundation.db.pool import connect
from handsel.front import invariants

_MARKS = {"ok": "[green]ok[/]", "violated": "[bold red]violated[/]", "not_yet": "[dim]not yet[/]"}


def run_checks(url: str, *, as_json: bool) -> int:
    """Print the report; 1 when anything is violated, else 0."""
    report = asyncio.run(_report(url))
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        _print(report)
    return 1 if report.violations else 0


async def _report(url: str) -> invariants.Report:
    conn = await connect(url)
    try:
        await conn.execute("SET statement_timeout = 0")  # it reads every row there is
        return await invariants.run(conn)
    finally:
        await conn.close()


def _print(report: invariants.Report) -> None:
    rules = {check.name: check.rule for check in invariants.CHECKS}
    table = Table("check", "state", "rows", "what must hold", box=None)
    for check in report.checks:
        table.add_row(check.name, _MARKS[check.state], str(check.rows), rules[check.name])
    rich.print(table)
    for check in report.checks:
        if check.violations:
            rich.print(f"[red]{check.name}[/]: {check.violations}, e.g. {', '.join(check.sample)}")
    rich.print(f"{report.violations} violations")
