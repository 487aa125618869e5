"""A database of the benchmarks' own, with durable commits, and pgbench against it."""

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from handsel.foundation.db import embedded
from handsel.migrations.run import migrate

BASELINE = Path(__file__).with_name("baseline")
ACCOUNTS = 10_000
#: The owner of the n-th benchmark account, as a uuid.
OWNER = "('00000000-0000-0000-0000-' || lpad(to_hex({n}::int), 12, '0'))::uuid"

_FILL = f"""
SELECT money.open_accounts(
           array_agg('wallet'::text), array_agg({OWNER.format(n="g")}), array_agg('EUR'::text))
  FROM generate_series(1, {ACCOUNTS}) g;
SET ROLE handsel_owner;
UPDATE money.accounts SET balance = 1000000000 WHERE kind = 'wallet';
RESET ROLE;
VACUUM ANALYZE money.accounts;
"""


@dataclass(frozen=True)
class Bench:
    """A running server with a migrated and a baseline schema in database ``bench``."""

    address: embedded.ServerAddress
    url: str
    database: str = "bench"

    def pgbench(self, script: Path, seconds: float, clients: int = 16) -> float:
        """Transactions a second of a script, prepared, on two threads."""
        done = subprocess.run(
            [
                embedded.binaries() / "pgbench", "-h", self.address.socket_dir, "-U",
                self.address.user, "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
                "-T", str(max(1, round(seconds))), "-f", script, self.database,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        assert found, done.stderr
        return float(found[1])


@contextmanager
def bench_server() -> Iterator[Bench]:
    """Start, fill, yield, and delete it again. Commits are durable, as in production."""
    home = Path(tempfile.mkdtemp(prefix="handsel-bench-"))
    address = embedded.start(home, lifetime="tied")
    try:
        asyncio.run(_statements(address.url("postgres"), ["CREATE DATABASE bench"]))
        url = address.url("bench")
        migrate(url)
        schema = (BASELINE / "posting_schema.sql").read_text()
        asyncio.run(_statements(url, [*schema.split(";\n"), *_FILL.split(";\n")]))
        yield Bench(address, url)
    finally:
        embedded.reset(home)
        shutil.rmtree(home, ignore_errors=True)


def run_statements(url: str, statements: list[str]) -> list[asyncpg.Record]:
    """Run statements by the superuser; the rows of the last one."""
    return asyncio.run(_statements(url, statements))


async def _statements(url: str, statements: list[str]) -> list[asyncpg.Record]:
    """One by one, since VACUUM stands alone."""
    conn = await asyncpg.connect(url)
    rows: list[asyncpg.Record] = []
    for statement in statements:
        if statement.strip():
            rows = await conn.fetch(statement, timeout=600)
    await conn.close()
    return rows
