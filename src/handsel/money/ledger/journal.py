"""The whole ledger as plain-text accounting, which programs that are not ours can check.

Beancount's signs are debit plus, credit minus: the reverse of our balances. What an account must
hold in the end is asserted with a tolerance of zero; without it the tool forgives a last digit.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from handsel.foundation.core.money import plain
from handsel.foundation.db.pool import Connection
from handsel.money.ledger.export import in_order

#: Where a kind of account stands; the others by their normal side.
_ROOTS = {
    "fee": "Income",
    "provider_costs": "Expenses",
    "losses": "Expenses",
    "protection_fund": "Equity",
}
_SIDES = {"debit": "Assets", "credit": "Liabilities"}
_COLUMNS = (
    "t.id, t.unit, t.debit_account, t.credit_account, t.amount, t.code, t.reference_id,"
    " t.value_date, t.booked_at"
)
_ACCOUNTS = """
SELECT a.id, a.kind, a.owner_id, a.unit, u.exponent, k.normal_side,
       CASE WHEN NOT a.folded THEN a.balance END AS balance
  FROM money.accounts a JOIN money.account_kinds k USING (kind)
  JOIN money.units u ON u.code = a.unit
"""


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    unit: str
    places: int
    balance: int | None  # None: the sum of its transfers is all there is


async def beancount(conn: Connection) -> AsyncIterator[str]:
    """The journal's text, piece by piece; call it inside a REPEATABLE READ transaction."""
    accounts = {row["id"]: _account(row) for row in await conn.fetch(_ACCOUNTS)}
    first, last = await _days(conn)
    yield 'option "title" "handsel"\n'
    yield _commodities({account.unit for account in accounts.values()}, first)
    sums: defaultdict[UUID, int] = defaultdict(int)
    async for row in in_order(conn, _COLUMNS):
        for side, sign in (("debit_account", -1), ("credit_account", 1)):
            if row[side] not in sums:
                account = accounts[row[side]]
                yield f"{first} open {account.name} {account.unit}\n"
            sums[row[side]] += sign * row["amount"]
        yield _transaction(row, accounts[row["debit_account"]], accounts[row["credit_account"]])
    for text in _assertions(accounts, sums, last + timedelta(days=1)):
        yield text


async def write_beancount(conn: Connection, file: Path) -> None:
    """Write the journal as of one moment."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute("SET LOCAL statement_timeout = 0")
        with file.open("w", encoding="utf-8") as out:
            async for text in beancount(conn):
                out.write(text)


async def _days(conn: Connection) -> tuple[date, date]:
    row = await conn.fetchrow("SELECT min(value_date), max(value_date) FROM money.transfers")
    assert row is not None, "an aggregate has a row"
    return row[0] or date(1970, 1, 1), row[1] or date(1970, 1, 1)


def _commodities(units: set[str], day: date) -> str:
    """Every unit once."""
    return "".join(f"{day} commodity {unit}\n" for unit in sorted(units))


def _account(row: asyncpg.Record) -> _Account:
    """``Liabilities:Wallet:0199…:EUR``; the house's own: ``Income:Fee:EUR``."""
    kind = "".join(word.capitalize() for word in row["kind"].split("_"))
    root = _ROOTS.get(row["kind"], _SIDES[row["normal_side"]])
    owner = [row["owner_id"].hex.upper()] if row["owner_id"].int else []
    name = ":".join([root, kind, *owner, row["unit"]])
    return _Account(name, row["unit"], row["exponent"], row["balance"])


def _transaction(row: asyncpg.Record, debit: _Account, credit: _Account) -> str:
    amount = plain(row["amount"], debit.places)
    return (
        f'\n{row["value_date"]} * "{row["code"]}"\n'
        f'  id: "{row["id"]}"\n'
        f"  seq: {row['seq']}\n"
        f'  code: "{row["code"]}"\n'
        f'  reference: "{row["reference_id"]}"\n'
        f'  booked-at: "{row["booked_at"].isoformat()}"\n'
        f"  {debit.name}  {amount} {debit.unit}\n"
        f"  {credit.name}  -{amount} {credit.unit}\n"
    )


def _assertions(accounts: dict[UUID, _Account], sums: dict[UUID, int], day: date) -> Iterator[str]:
    """What each account must hold at the end: the stored balance where there is one."""
    yield "\n"
    for key, total in sums.items():
        account = accounts[key]
        balance = total if account.balance is None else account.balance
        amount = plain(-balance, account.places)
        yield f"{day} balance {account.name}  {amount} ~ 0 {account.unit}\n"
