"""Random orders do on PostgreSQL what they do on the pure engine, step by step.

``make lives LIVES=500 SEED=7`` for more; a seed that fails fails again.
"""

import os
from collections import Counter

import pytest

from handsel.foundation.db.uow import Database
from handsel.front import invariants
from tests.deals.process.lives import live
from tests.deals.process.openers import OPENERS

#: Of all processes together; each has a few.
LIVES = max(3, int(os.environ.get("HANDSEL_LIVES", "15")) // len(OPENERS))
SEED = int(os.environ.get("HANDSEL_SEED", "1"))


@pytest.mark.parametrize("name", sorted(OPENERS))
async def test_random_orders_live_as_the_engine_says(database: Database, name: str) -> None:
    ends: Counter[str] = Counter()
    for seed in range(SEED, SEED + LIVES):
        life = await live(database, name, seed)
        ends[life.state] += 1

    async with database.reading() as conn:
        await conn.execute("SELECT foundation.seal_audit(10000)")
        report = await invariants.run(conn)
    assert [check for check in report.checks if check.violations] == []
    assert ends.total() == LIVES
