"""Sends commands to a real database, alone or racing, and compares with the auditor each time."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from handsel.foundation.core.errors import Busy, Problem
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.front import invariants
from tests.money.proof import counters
from tests.money.proof.auditor import BUSY, DONE, Auditor, explain_race, predict
from tests.money.proof.books import Line
from tests.money.proof.draws import Race, draw, draw_race
from tests.money.proof.hand import UNITS, Command, Hand

MEMBERS = [UUID(int=(n + 1) << 96, version=4) for n in range(4)]
#: Whole rows are compared so often, and at the end of each epoch.
FULL_EVERY = 250
_PEOPLE = """
INSERT INTO people.members (id, handle, is_sandbox, joined_at)
SELECT id, 'proof' || n, true, now() FROM unnest($1::uuid[]) WITH ORDINALITY AS m (id, n)
"""
_METHODS = """
INSERT INTO money.payout_methods (member_id, token, label, created_at)
SELECT id, 'bank_proof', 'proof', now() FROM unnest($1::uuid[]) AS m (id)
"""
_ACCOUNTS = (
    "SELECT kind, owner_id, unit, balance, restricted, state FROM money.accounts WHERE NOT folded"
)
_HOLDS = """
SELECT h.*, p.kind AS p_kind, p.owner_id AS p_owner, e.kind AS e_kind, e.owner_id AS e_owner
  FROM money.holds h JOIN money.accounts p ON p.id = h.payer_account
  JOIN money.accounts e ON e.id = h.escrow_account
"""
#: Ids in messages: what is random in them comes first, and a member is known by 00000001.
_LONG_ID = re.compile(r"UUID\('(\w{8})[-\w]{28}'\)")
_STANDING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Disagreement(AssertionError):
    """The ledger did what the auditor did not allow."""


@dataclass
class Proof:
    """One database, one epoch at a time. ``steps`` counts commands, over all epochs."""

    database: Database
    owner: asyncpg.Connection
    steps: int = 0
    #: Answers, and the rows that the checks looked at, over all epochs.
    told: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    async def begin(self, luck: Random, name: str = "") -> None:
        """A new epoch: four members with next to nothing."""
        self.name, self.recent = name, list[str]()
        self.hand = fresh_hand(luck)
        await self.owner.execute("SELECT proof.begin($1)", list(UNITS))
        kinds, owners, units = zip(*self.hand.books.states, strict=True)
        await self.owner.execute("SELECT money.open_accounts($1, $2, $3)", kinds, owners, units)
        self.seq, self.epoch_steps = 0, 0
        seen = await self._look()
        self.counters = seen["counters"]

    async def step(self) -> None:
        """One command, or now and then a race of some."""
        await (self.race(draw_race(self.hand)) if self.hand.chance(5) else self.do(draw(self.hand)))
        if self.epoch_steps % FULL_EVERY == 0:
            await self.compare_all()

    async def do(self, command: Command) -> None:
        """Alone: what it answers and what it writes is known beforehand."""
        self._note([command])
        allowed, after = predict(self.hand.books, command.predict)
        said = await self._answer(command)
        if said not in allowed:
            raise self._wrong(f"answered {said!r}, allowed {sorted(allowed)}")
        await self._judge(await self._look(), [after], [command], [said])

    async def race(self, race: Race) -> None:
        """At the same moment: some order must explain all the answers and all that is written."""
        if not race.commands:
            return
        self._note(race.commands)
        if race.lock:
            async with self.owner.transaction():
                await self.owner.execute(race.lock)
                racing = [asyncio.create_task(self._answer(one)) for one in race.commands]
                await self._standing(len(racing))
        else:
            racing = [asyncio.create_task(self._answer(one)) for one in race.commands]
        await self.explain(race.commands, await asyncio.gather(*racing))

    async def _standing(self, many: int) -> None:
        """Until all of them wait for the lock, or no more come: some are refused before it."""
        standing = -1
        for _ in range(20):
            found = await self.owner.fetchval(_STANDING)
            if found == many or found == standing > 0:
                break
            standing = found

    async def explain(self, commands: Sequence[Command], answers: Sequence[str]) -> None:
        """Find the order in which racers came, wherever they ran."""
        seen = await self._look()
        racers = [(command.predict, said) for command, said in zip(commands, answers, strict=True)]
        found = {_line(row) for row in seen["lines"]}
        orders = explain_race(self.hand.books, racers, found)
        await self._judge(seen, orders, commands, answers)

    async def compare_all(self) -> None:
        """Every account, hold and transfer of the epoch against the books; all checks there are."""
        books = self.hand.books
        report = await invariants.run(self.owner, counters.HELD_HERE)
        for check in report.checks:
            self.rows[check.name] += check.rows
            if check.violations:
                raise self._wrong(f"violated: {check.name} {check.sample}")
        accounts = {
            (r["kind"], r["owner_id"], r["unit"]): (r["balance"], r["restricted"], r["state"])
            for r in await self.owner.fetch(_ACCOUNTS)
        }
        self._same("accounts", accounts, {
            p: (books.balances[p], books.restricted[p], state) for p, state in books.states.items()
        })  # fmt: skip
        self._same("holds", await self._holds(), {
            h.id: (h.unit, h.amount, h.payer, h.escrow, h.state, h.released, h.refunded, h.fee,
                   h.pending, h.payee, h.disputed) for h in books.holds.values()
        })  # fmt: skip
        rows = await self.owner.fetch("SELECT * FROM proof.lines")
        self._same("transfers", {r["id"]: _line(r) for r in rows}, books.written)

    async def _holds(self) -> dict[UUID, Any]:
        return {
            r["id"]: (
                r["unit"], r["amount"], (r["p_kind"], r["p_owner"], r["unit"]),
                (r["e_kind"], r["e_owner"], r["unit"]), r["state"], r["released"], r["refunded"],
                r["fee"], r["pending"], r["payee_id"], r["disputed_at"] is not None,
            )
            for r in await self.owner.fetch(_HOLDS)
        }  # fmt: skip

    def _same(self, what: str, found: dict[Any, Any], expected: dict[Any, Any]) -> None:
        if found != expected:
            other = {k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k)}
            lines = [f"{k}: found {found.get(k)}, expected {expected.get(k)}" for k in other]
            raise self._wrong(f"{what} differ: " + "; ".join(sorted(lines)[:5]))

    async def _answer(self, command: Command) -> str:
        if not command.owner_sql:
            return await answer(self.database, command)
        for statement in command.owner_sql:
            await self.owner.execute(statement)
        return DONE

    async def _judge(
        self,
        seen: asyncpg.Record,
        possible: Iterable[Auditor],
        commands: Sequence[Command],
        answers: Sequence[str],
    ) -> None:
        if seen["violations"]:
            raise self._wrong(f"violated: {seen['violations'][:5]}")
        if DONE not in answers and seen["counters"] != self.counters:
            moved = set(seen["counters"]) ^ set(self.counters)
            raise self._wrong(f"refused with {answers}, and yet it wrote: {sorted(moved)}")
        lines = [_line(row) for row in seen["lines"]]
        found = Counter(lines)
        why = "no order of the commands explains the answers"
        for books in possible:
            if Counter(books.lines) == found and books.sums() == seen["sums"]:
                break
            why = f"expected lines {books.lines} and sums {books.sums()}"
        else:
            raise self._wrong(f"{answers} with lines {lines} and sums {seen['sums']}; {why}")
        for row, line in zip(seen["lines"], lines, strict=True):
            books.written[row["id"]] = line
            self.seq = row["seq"]
        books.lines = []
        self.hand.books, self.counters = books, seen["counters"]
        for command, said in zip(commands, answers, strict=True):
            command.after(said == DONE)
            self.told[said] += 1

    async def _look(self) -> asyncpg.Record:
        row = await self.owner.fetchrow("SELECT * FROM proof.look($1)", self.seq)
        assert row is not None
        return row

    def _note(self, commands: Sequence[Command]) -> None:
        self.steps += len(commands)
        self.epoch_steps += 1
        self.recent = [*self.recent[-19:], " || ".join(command.text for command in commands)]

    def _wrong(self, what: str) -> Disagreement:
        before = "\n  ".join(self.recent)
        text = f"{self.name} step {self.epoch_steps}: {what}\nthe last commands:\n  {before}"
        return Disagreement(_LONG_ID.sub(r"\1", text))


async def answer(database: Database, command: Command) -> str:
    """Send it in a transaction of its own: done, or the code of the refusal."""

    async def use_case(tx: Tx) -> None:
        assert command.send is not None
        command.send(tx)

    try:
        await database.run(use_case)
    except Busy:
        return BUSY
    except Problem as problem:
        return problem.code
    except asyncpg.IntegrityConstraintViolationError as error:
        return str(error.constraint_name)
    except asyncpg.PostgresError as error:  # nothing that anybody allows
        return f"{error} {getattr(error, 'context', '')}"
    return DONE


def _line(row: asyncpg.Record) -> Line:
    return Line(
        (row["d_kind"], row["d_owner"], row["d_unit"]),
        (row["c_kind"], row["c_owner"], row["c_unit"]),
        row["amount"], row["unit"], row["code"], row["reference_id"], row["hold_id"],
        row["reversal_of"], row["debit_balance"], row["credit_balance"],
        row["debit_restricted"], row["credit_restricted"],
    )  # fmt: skip


def fresh_hand(luck: Random) -> Hand:
    """With the accounts that an epoch begins with: one wallet was never opened."""
    books = Auditor()
    for member in MEMBERS:
        books.open_accounts(*(("wallet", member, unit) for unit in UNITS))
        books.open_accounts(*((kind, member, UNITS[0]) for kind in ("reserve", "receivable")))
    for numbers in (books.states, books.balances, books.restricted):
        del numbers["wallet", MEMBERS[-1], UNITS[-1]]
    return Hand(luck, books, MEMBERS)


@asynccontextmanager
async def proving(url: str) -> AsyncIterator[Proof]:
    """A proof over a fresh clone, which it keeps for itself. Commits are not durable here."""
    owner = await asyncpg.connect(url, server_settings={"jit": "off", "synchronous_commit": "off"})
    pool = await open_pool(url, size=6, durable=False)
    try:
        await owner.execute(_PEOPLE, MEMBERS)
        await owner.execute(_METHODS, MEMBERS)
        await counters.install(owner)
        yield Proof(Database(pool), owner)
    finally:
        await pool.close()
        await owner.close()
