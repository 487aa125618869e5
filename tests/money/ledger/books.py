"""A ledger with a past and those who read it whole: for tests of seals, exports, periods."""

import json
from uuid import UUID, uuid4

import asyncpg
import msgspec

from handsel.money.ledger import export
from handsel.money.ledger.chain import Anchor
from handsel.money.ledger.service import HOUSE, Account
from handsel.money.ledger.verify import Line, Verdict, verify

CLEARING = Account("provider_clearing", HOUSE, "EUR")
FEE = Account("fee", HOUSE, "EUR")
FUND = Account("protection_fund", HOUSE, "EUR")

_MANY = """
DO $$ BEGIN
    FOR i IN 1 .. {count} LOOP
        PERFORM money.post(ARRAY['{debit}'::uuid], ARRAY['{credit}'::uuid], ARRAY[i::bigint],
            ARRAY['{unit}'], ARRAY['{code}'], uuidv7());
    END LOOP;
END $$
"""


async def wallet(conn: asyncpg.Connection, unit: str = "EUR") -> Account:
    made = Account("wallet", uuid4(), unit)
    await conn.execute(
        "SELECT money.open_accounts(ARRAY['wallet'], ARRAY[$1::uuid], ARRAY[$2])", made.owner, unit
    )
    return made


async def post(
    conn: asyncpg.Connection, debit: Account, credit: Account, amount: int, code: str = "adjustment"
) -> UUID:
    """One transfer; its id."""
    reference = uuid4()
    await conn.execute(
        "SELECT money.post(ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3::bigint], ARRAY[$4],"
        " ARRAY[$5], $6)",
        debit.id, credit.id, amount, debit.unit, code, reference,
    )  # fmt: skip
    found: UUID = await conn.fetchval(
        "SELECT id FROM money.transfers WHERE reference_id = $1", reference
    )
    return found


async def post_many(
    conn: asyncpg.Connection, debit: Account, credit: Account, count: int, code: str = "adjustment"
) -> None:
    """Transfers of 1, 2, 3 … minor units."""
    await conn.execute(
        _MANY.format(count=count, debit=debit.id, credit=credit.id, unit=debit.unit, code=code)
    )


async def lines(conn: asyncpg.Connection) -> list[str]:
    """The export's lines, as they stand in this transaction."""
    async with conn.transaction():
        return [line async for line in export.lines(conn)]


def verified(text: list[str], anchor: Anchor | None = None) -> Verdict:
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
    return verify((decoder.decode(line) for line in text), anchor)


def findings(verdict: Verdict) -> list[str]:
    return [f"{finding.where}: {finding.what}" for finding in verdict.findings]


def changed(text: list[str], which: int, **values: object) -> list[str]:
    """The same lines with one of them changed."""
    line = json.loads(text[which]) | values
    return [*text[:which], json.dumps(line), *text[which + 1 :]]
