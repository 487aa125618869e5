"""A worker in a process of its own, for tests that kill or stop it in the middle of a job.

Arguments: DSN, then where to wait: ``before_commit``, ``after_commit`` or ``slow``.
"""

import asyncio
import sys

from handsel.foundation.db.pool import open_pool
from handsel.foundation.jobs import Job, Worker, handled


async def main(dsn: str, point: str) -> None:
    """Run until a signal."""
    pool = await open_pool(dsn, size=4)

    async def leave_effect(job: Job) -> None:
        assert job.event_id is not None
        async with pool.acquire() as conn, conn.transaction():
            assert await handled(conn, job.event_id, job.name)
            await conn.execute(
                "INSERT INTO effects (name, attempt) VALUES ($1, $2)", job.name, job.attempt
            )
            if point == "before_commit":
                print("here", flush=True)
                await asyncio.sleep(60)
        print("here", flush=True)
        # The slow job is longer than the grace after a cancel: only patience lets it finish.
        await asyncio.sleep(60 if point == "after_commit" else 2.5)
        await pool.execute("INSERT INTO effects (name) VALUES ('end')")

    worker = Worker(dsn, {"work": leave_effect}, stalled_after_s=1)
    worker.stop_on_signals()
    await worker.run()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
