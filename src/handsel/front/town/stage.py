"""What a town needs and no request can do: set the clock, appoint staff, lend a standing.

Only for a database in which nobody real lives: everything here writes as the owner.
"""

from datetime import datetime
from uuid import UUID

import asyncpg

#: What time will do next, wherever it waits.
_NEXT = """
SELECT least(
    (SELECT min(due_at) FROM deals.timers),
    (SELECT min(due_at) FROM deals.dispute_timers),
    (SELECT min(due_at) FROM deals.reviews WHERE state = 'pending'),
    (SELECT min(due_at) FROM money.sandbox_events WHERE delivered_at IS NULL))
"""


class Stage:
    """Works through a connection that may write as the owner of the schema."""

    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner

    async def now(self) -> datetime:
        """The business time."""
        moment: datetime = await self._owner.fetchval("SELECT foundation.handsel_now()")
        return moment

    async def set_clock(self, moment: datetime) -> None:
        """From here on the clock goes on from this moment."""
        await self._owner.execute(
            "UPDATE foundation.clock SET ahead = ahead + ($1 - foundation.handsel_now())", moment
        )

    async def next_due(self) -> datetime | None:
        """When time does something next; None while nothing waits."""
        moment: datetime | None = await self._owner.fetchval(_NEXT)
        return moment

    async def appoint(self, member_id: UUID) -> None:
        """Somebody who may judge."""
        await self._owner.execute(
            "UPDATE people.members SET is_staff = true WHERE id = $1", member_id
        )

    async def establish(self, member_id: UUID) -> None:
        """The track record of the tier that may owe, which a short town has no time to earn."""
        await self._owner.execute(
            "INSERT INTO people.standings (member_id, settled_orders, counterparties,"
            " first_settled_at) VALUES ($1, 10, 6, foundation.handsel_now() - interval '61 days')"
            " ON CONFLICT (member_id) DO UPDATE SET"
            " settled_orders = greatest(standings.settled_orders, 10),"
            " counterparties = greatest(standings.counterparties, 6),"
            " first_settled_at = least(standings.first_settled_at, excluded.first_settled_at)",
            member_id,
        )
