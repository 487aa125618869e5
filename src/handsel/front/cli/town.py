"""The sample town: made once, into an empty database; its three demo members are printed."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import asyncpg

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import connect, open_pool
from handsel.foundation.db.uow import Database
from handsel.front.town import build
from handsel.people.trust import service as trust
from handsel_ml.lean import load_lightgbm


def make_town(url: str, settings: Settings, progress: Callable[[str], None]) -> None:
    """Let the sample town live its two months; the clock ends at the present."""
    load_lightgbm()
    asyncio.run(_make(url, settings, progress))


async def _make(url: str, settings: Settings, progress: Callable[[str], None]) -> None:
    pool = await open_pool(url, size=4, durable=False)
    # Only the owner may set the clock back, and only here: before anybody lives in this database.
    owner = await asyncpg.connect(url)

    async def set_clock(behind: timedelta) -> None:
        await owner.execute("UPDATE foundation.clock SET ahead = -$1::interval", behind)

    try:
        await build.Builder(Database(pool), settings, progress).live(set_clock)
    finally:
        await set_clock(timedelta(0))
        await owner.close()
        await pool.close()


def describe_members(url: str) -> list[str]:
    """A line for each demo member: handle, password, tier, what they show."""
    return asyncio.run(_describe(url))


async def _describe(url: str) -> list[str]:
    town = build.plan()
    conn = await connect(url)
    try:
        lines = []
        for demo in town.demo:
            member_id = await conn.fetchval(
                "SELECT id FROM people.members WHERE handle = $1 AND is_sandbox", demo.handle
            )
            if member_id is not None:
                view = await trust.own_trust(conn, member_id)
                lines.append(
                    f"    {demo.handle:<8} password {town.password}   tier {view.tier}"
                    f"   {demo.shows}"
                )
        return lines
    finally:
        await conn.close()
