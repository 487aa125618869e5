"""One order, lived twice: step by step on the pure engine and on PostgreSQL.

After every step the two must agree: the same answer, state, timers and number of moves; the hold is
open exactly where the process says that money is held; and the invariants of money hold.
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from handsel.deals.orders import queries
from handsel.deals.orders import service as orders
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import TransitionInput
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process
from handsel.deals.process.simulation import OK, Life
from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Database, Tx
from handsel.front import invariants
from handsel.front.worker.app import sweep_orders
from tests.deals.process.openers import OPENERS, VERDICTS, WALKS, Deal, Seen, said_with

#: Of the pure engine; no guard gives one of them.
_ENGINE = {"deadline_passed", "transition_not_allowed", "not_your_move"}
_EACH_STEP = ("L02", "L08", "L10", "L20")
_STEPS, _SILENT_STEPS = 10, 12


@dataclass
class Twin:
    """An order in both worlds."""

    database: Database
    deal: Deal
    process: Process
    life: Life
    steps: list[str]

    @classmethod
    async def open(cls, database: Database, name: str, draw: random.Random) -> "Twin":
        """A new order, and the life that it should have."""
        deal = await database.run(lambda tx: OPENERS[name](tx, draw))
        process = current(name)
        async with database.reading() as conn:
            order = await queries.load(conn, deal.order_id)
        life = Life.begin(process, {}, order.created_at, order.due_at)
        twin = cls(database, deal, process, life, [])
        await twin.compare()
        return twin

    async def order(self) -> Order:
        """The row, whose terms and dates the life goes by."""
        async with self.database.reading() as conn:
            order = await queries.load(conn, self.deal.order_id)
        durations = {n: timedelta(seconds=s) for n, s in order.terms.durations.items()}
        durations["inspection_period"] = timedelta(seconds=order.terms.inspection_period_s)
        if order.hold_period is not None:
            durations["hold_period"] = order.hold_period
        self.life.terms = durations
        self.life.clock = engine.Clock(
            entered=self.life.clock.entered,
            due=order.due_at,
            start=order.terms.starts_at or order.due_at,
            opened=order.created_at,
        )
        return order

    async def click(self, name: str, role: str, draw: random.Random) -> None:
        """Somebody tries a move, perhaps twice at once."""
        order = await self.order()
        data = await said_with(self.database, self.deal, order, name, draw)
        twice = draw.random() < 0.3
        answers = await asyncio.gather(*(self._send(role, data) for _ in range(1 + twice)))
        # Of two that were sent at once the one that was heard first may have succeeded.
        for code, now in sorted(answers, key=lambda answer: (answer[0] != OK, answer[1])):
            self.steps.append(f"{role} {name}: {code}")
            self._expect(order, data, role, code, now)
            order = await self.order()

    async def _send(self, role: str, data: TransitionInput) -> tuple[str, datetime]:
        """(the answer's code, the business time of the transaction)."""
        times: list[datetime] = []

        async def act(tx: Tx) -> None:
            times.append(tx.now)
            who = self.deal.people[role]
            await orders.transition(tx, who, self.deal.order_id, data)

        try:
            await self.database.run(act)
        except Problem as problem:
            return problem.code, times[-1]
        return OK, times[-1]

    def _expect(
        self, order: Order, data: TransitionInput, role: str, code: str, now: datetime
    ) -> None:
        self.life.now = now
        believed = False

        def verdict(guard: str) -> bool:
            nonlocal believed
            if guard not in VERDICTS:
                believed = True
                return code == OK
            found = VERDICTS[guard](Seen(order, data, now))
            assert found is None or believed or code == found, f"{guard}: {code}, not {found}"
            return found is None

        predicted = self.life.attempt(data.name, role, verdict)
        if predicted in _ENGINE or predicted == OK:
            assert code == predicted, self.steps
        else:
            assert code not in {OK, *_ENGINE}, self.steps

    async def sweep(self, draw: random.Random) -> None:
        """The clock's move, by one of the ways that it may come; late, or twice at once."""
        ways = (self._run_due, self._run_batch, lambda: sweep_orders(self.database))
        times = 1 + (draw.random() < 0.4)
        way = draw.choice(ways)
        found = await asyncio.gather(*(way() for _ in range(times)))
        async with self.database.reading() as conn:
            row = await conn.fetchrow(
                "SELECT transition, role, at FROM deals.moves WHERE order_id = $1"
                " ORDER BY seq DESC LIMIT 1",
                self.deal.order_id,
            )
        made = sum(int(n) for n in found)
        await self.order()
        self.life.now = row["at"] if made else await self.now()
        assert self.life.sweep() == (row["transition"] if made else None), self.steps
        assert made in (0, 1), "a timer was made twice"
        assert not made or row["role"] == SYSTEM
        self.steps.append(f"sweep x{times}: {row['transition'] if made else None}")

    async def _run_due(self) -> int:
        return await self.database.run(lambda tx: orders.run_due(tx, self.deal.order_id))

    async def _run_batch(self) -> int:
        """As the sweep does it for many: together where that goes, and the others alone."""
        ids = [self.deal.order_id]
        return await self.database.run(lambda tx: orders.run_due_batch(tx, ids)) or (
            await self._run_due()
        )

    async def wait(self, by: timedelta) -> None:
        """Move the clock."""
        async with self.database.transaction() as tx:
            await tx.execute("SELECT foundation.advance_clock($1)", by)
        self.life.now = await self.now()

    async def now(self) -> datetime:
        """The business time."""
        async with self.database.reading() as conn:
            now: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
        return now

    async def compare(self) -> None:
        """Both worlds are in the same place, and the money is where it should be."""
        order = await self.order()
        async with self.database.reading() as conn:
            timers = await conn.fetch(
                "SELECT transition, due_at FROM deals.timers WHERE order_id = $1"
                " ORDER BY due_at, transition",
                order.id,
            )
            moves = await conn.fetchval(
                "SELECT count(*) FROM deals.moves WHERE order_id = $1", order.id
            )
            held = await conn.fetchval(
                "SELECT sum(amount - refunded) FROM money.holds"
                " WHERE reference_id = $1 AND state = 'open'",
                order.id,
            )
            checks = tuple(c for c in invariants.CHECKS if c.name.startswith(_EACH_STEP))
            report = await invariants.run(conn, checks)
        state = self.process.states[self.life.state]
        assert order.state == self.life.state, self.steps
        assert sorted((t.due_at, t.transition) for t in self.life.timers()) == [
            (row["due_at"], row["transition"]) for row in timers
        ], self.steps
        assert moves == self.life.moves + 1, self.steps
        assert held == (order.left if state.funded else None), self.steps
        assert not state.funded or timers, "money is held, and no timer runs"
        assert [c for c in report.checks if c.violations] == [], self.steps


async def live(database: Database, name: str, seed: int) -> Life:
    """One order from its opening to its end, at random; everybody is silent in the end."""
    draw = random.Random(f"{name} {seed}")
    twin = await Twin.open(database, name, draw)
    life = twin.life
    walk = WALKS.get(name, ())
    for role, move in walk[: draw.randint(0, len(walk))]:
        await twin.click(move, role, draw)
        await twin.compare()
    for _ in range(draw.randint(0, _STEPS)):
        if life.ended:
            break
        what = draw.random()
        if what < 0.65:
            await twin.click(*_choice(twin, draw), draw)
        elif what < 0.85:
            await twin.wait(_pause(life, draw))
        else:
            await twin.sweep(draw)
        await twin.compare()
    for _ in range(_SILENT_STEPS):
        if life.ended:
            break
        timers = life.timers()
        now = await twin.now()
        late = timedelta(seconds=draw.choice((1, 60, 36_000)))
        await twin.wait(max(timers[0].due_at - now, timedelta(0)) + late)
        await twin.sweep(draw)
        await twin.compare()
    assert life.ended, f"seed {seed}: {twin.steps}"
    return life


def _choice(twin: Twin, draw: random.Random) -> tuple[str, str]:
    """Mostly what is possible now, rather not the end; once in a while anything, by anybody."""
    possible = {
        (t.name, role): 1 if t.stays or twin.process.states[t.to].terminal else 4
        for t in twin.process.leaving(twin.life.state)
        for role in t.actors
        if role != SYSTEM
    }
    if possible and draw.random() < 0.85:
        return draw.choices(list(possible), list(possible.values()))[0]
    return draw.choice(twin.process.transitions).name, draw.choice(list(twin.deal.people))


def _pause(life: Life, draw: random.Random) -> timedelta:
    timers = life.timers()
    left = timers[0].due_at - life.now if timers else timedelta(hours=1)
    return max(left, timedelta(0)) * draw.choice((0.1, 0.3, 0.5, 0.9, 1.2)) + timedelta(seconds=1)
