"""The ledger against what PostgreSQL can do at all."""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from uuid import UUID

import uvloop

from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Account, Transfer
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import ACCOUNTS, BASELINE, OWNER, Bench

_HALF = ACCOUNTS // 2
_POST = (
    "SELECT money.post(ARRAY[money.account_id('wallet', {a}, 'EUR')],"
    " ARRAY[money.account_id('wallet', {b}, 'EUR')], ARRAY[5::bigint], ARRAY['EUR'],"
    " ARRAY['adjustment'], gen_random_uuid());"
).format(a=OWNER.format(n=":a"), b=OWNER.format(n=":b"))
_PAIR = f"\\set a random(1, {_HALF})\n\\set b random({_HALF + 1}, {ACCOUNTS})\n"
FUNCTION = _PAIR + _POST
TRANSACTION = f"{_PAIR}BEGIN;\nSELECT foundation.handsel_now();\n{_POST}\nCOMMIT;\n"
CLIENTS = 16


def script(text: str) -> Path:
    """A pgbench script as a file."""
    file = Path(tempfile.mkdtemp(prefix="handsel-bench-")) / "script.pgbench"
    file.write_text(text)
    return file


def function_vs_six_statements(bench: Bench, effort: Effort) -> Line:
    """Our posting function against the plainest posting as six statements."""
    ours = script(FUNCTION)
    return compare(
        "posting_function_vs_six_statements",
        "postings/s",
        "posting_six.pgbench, 16 clients",
        lambda: bench.pgbench(ours, effort.seconds),
        lambda: bench.pgbench(BASELINE / "posting_six.pgbench", effort.seconds),
        effort,
    )


def service_vs_pgbench(bench: Bench, effort: Effort) -> Line:
    """The ledger's Python service against pgbench running the same transaction."""
    same = script(TRANSACTION)
    return compare(
        "posting_service_vs_pgbench",
        "postings/s",
        "the same statements in the same transaction by pgbench, 16 clients",
        lambda: uvloop.run(_service_rate(bench.url, effort.seconds)),
        lambda: bench.pgbench(same, effort.seconds),
        effort,
    )


async def _service_rate(url: str, seconds: float) -> float:
    pool = await open_pool(url, size=CLIENTS)
    database = Database(pool)
    accounts = [Account("wallet", UUID(int=n), "EUR") for n in range(1, ACCOUNTS + 1)]
    until = time.monotonic() + seconds
    done = 0

    async def client() -> None:
        nonlocal done
        while time.monotonic() < until:
            payer = accounts[random.randrange(_HALF)]
            payee = accounts[random.randrange(_HALF, ACCOUNTS)]
            async with database.transaction() as tx:
                ledger.post(
                    tx, [Transfer(payer, payee, 5, "adjustment")], UUID(int=random.getrandbits(128))
                )
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    took = time.monotonic() - began
    await pool.close()
    return done / took
