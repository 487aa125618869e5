"""`handsel reconcile`: the provider's report and the bank's statement against the ledger."""

import asyncio
from datetime import date
from pathlib import Path

import msgspec
import rich
from rich.table import Table

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.money import display
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.money.payments.gateway import ProviderUnavailable
from handsel.money.payments.reconciliation import bank_file, service
from handsel.money.payments.reconciliation.service import Found
from handsel.money.payments.service import gateway_of


def run_reconcile(
    settings: Settings, url: str, day: date | None, bank: Path | None, *, as_json: bool
) -> int:
    """Compare, print what is open by age; 1 when something is overdue, else 0."""
    lines = bank_file.read(bank.read_bytes()) if bank is not None else None
    found = asyncio.run(_reconcile(settings, url, day, lines))
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found)
    return 1 if any(difference.overdue for difference in found) else 0


async def _reconcile(
    settings: Settings, url: str, day: date | None, lines: list[bank_file.BankLine] | None
) -> list[Found]:
    pool = await open_pool(url, size=2)
    database = Database(pool)
    gateway = gateway_of(settings, database)
    try:
        if day is not None:
            await service.reconcile(database, gateway, day)
        else:
            await service.catch_up(database, gateway)
        if lines is not None:
            await database.run(lambda tx: service.import_bank(tx, lines))
        await database.run(service.check_clearing)
        async with database.reading() as conn:
            return await service.queue(conn)
    except ProviderUnavailable as error:
        raise UserError(f"the provider gives no report: {error}") from error
    finally:
        await gateway.close()
        await pool.close()


def _print(found: list[Found]) -> None:
    table = Table("days", "what", "kind", "reference", "ours", "theirs", box=None)
    for one in found:
        amounts = [
            "" if amount is None else display(amount, one.currency)
            for amount in (one.ours_minor, one.theirs_minor)
        ]
        mark = "[bold red]" if one.overdue else ""
        table.add_row(f"{mark}{one.age_days}", one.what, one.kind, one.reference, *amounts)
    if found:
        rich.print(table)
    rich.print(f"{len(found)} open, {sum(one.overdue for one in found)} overdue")
