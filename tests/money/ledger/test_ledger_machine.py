"""The ledger against a little model of it, written apart from it: any commands, in any order.

The model keeps plain numbers and says beforehand what each command will do. After each command the
balances must be the model's, and a refused command must have written nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from handsel.foundation.core.errors import Problem
from handsel.foundation.db import embedded
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.front import invariants
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

UNIT = "EUR"
PEOPLE = 3
CLEARING, FEE, FUND = (
    Account(kind, HOUSE, UNIT) for kind in ("provider_clearing", "fee", "protection_fund")
)
people = st.integers(0, PEOPLE - 1)
amounts = st.integers(1, 40) | st.sampled_from([0, -1, 1000, 10**15, 10**15 + 1])
indexes = st.integers(0, 1000)
DONE = "done"
Step = tuple[Account, Account, int]


class Refused(Exception):
    """What the model refuses."""


class Model:
    """Numbers, and what may be done with them. It knows nothing of SQL."""

    def __init__(self) -> None:
        self.balances: dict[Account, int] = {}
        self.holds: dict[UUID, tuple[Account, int, str]] = {}
        self.rows = 0

    def move(self, steps: list[Step]) -> str:
        """All steps or none."""
        after = dict(self.balances)
        try:
            for debit, credit, amount in steps:
                self._step(after, debit, credit, amount)
        except Refused as refused:
            return str(refused)
        self.balances = after
        self.rows += len(steps)
        return DONE

    def _step(
        self, after: dict[Account, int], debit: Account, credit: Account, amount: int
    ) -> None:
        if not 1 <= amount <= 10**15:
            raise Refused("invalid_amount")
        if debit == credit:
            raise Refused("same_account")
        if debit.owner != HOUSE and after.get(debit, 0) < amount:
            raise Refused("insufficient_funds")
        after[debit] = after.get(debit, 0) - amount
        after[credit] = after.get(credit, 0) + amount

    def hold(self, order: UUID, payer: Account, amount: int) -> str:
        said = self.move([(payer, Account("escrow", order, UNIT), amount)])
        if said == DONE:
            self.holds[order] = payer, amount, "open"
        return said

    def resolve(self, order: UUID, state: str, legs: list[tuple[Account, int]]) -> str:
        payer, amount, was = self.holds[order]
        if was != "open":
            return "hold_resolved"
        if sum(part for _, part in legs) != amount:
            return "hold_sum_mismatch"
        place = Account("escrow", order, UNIT)
        said = self.move([(place, account, part) for account, part in legs if part])
        assert said == DONE
        self.holds[order] = payer, amount, state
        return said


class LedgerMachine(RuleBasedStateMachine):
    """Commands to the ledger; ``runner`` and ``database`` are given by the test."""

    runner: ClassVar[asyncio.Runner]
    database: ClassVar[Database]

    @initialize()
    def people_come(self) -> None:
        self.model = Model()
        owners = [uuid4() for _ in range(PEOPLE)]
        self.wallets = [Account("wallet", owner, UNIT) for owner in owners]
        self.pendings = [Account("pending", owner, UNIT) for owner in owners]
        self.references: list[UUID] = []
        self.plain: list[tuple[UUID, Step]] = []
        self.reversed: set[UUID] = set()
        opened = self._send(lambda tx: ledger.open_accounts(tx, self.wallets + self.pendings))
        assert opened == DONE
        top_up = [(CLEARING, wallet, 50) for wallet in self.wallets]
        assert self._post(top_up) == self.model.move(top_up) == DONE

    # What reaches the database ------------------------------------------------------------------

    def _send(self, collect: Callable[[Tx], None]) -> str:
        return self.runner.run(self._one(collect))

    async def _one(self, collect: Callable[[Tx], None]) -> str:
        async def use_case(tx: Tx) -> None:
            collect(tx)

        try:
            await self.database.run(use_case)
        except Problem as problem:
            return problem.code
        return DONE

    def _race(self, collects: list[Callable[[Tx], None]]) -> list[str]:
        async def all_at_once() -> list[str]:
            return list(await asyncio.gather(*(self._one(collect) for collect in collects)))

        return self.runner.run(all_at_once())

    def _posting(self, steps: list[Step]) -> Callable[[Tx], None]:
        reference = uuid4()
        self.references.append(reference)
        return lambda tx: ledger.post(tx, [Transfer(*step, "adjustment") for step in steps], reference)

    def _post(self, steps: list[Step]) -> str:
        return self._send(self._posting(steps))

    # Commands -----------------------------------------------------------------------------------

    @rule(who=people, amount=st.integers(1, 100))
    def top_up(self, who: int, amount: int) -> None:
        step = (CLEARING, self.wallets[who], amount)
        assert self._post([step]) == self.model.move([step])

    @rule(payer=people, payee=people, amount=amounts)
    def pay(self, payer: int, payee: int, amount: int) -> None:
        step = (self.wallets[payer], self.wallets[payee], amount)
        said = self.model.move([step])

        assert self._post([step]) == said

        if said == DONE:
            self.plain.append((self.references[-1], step))

    @rule(payer=people, middle=people, payee=people, first=amounts, second=amounts)
    def pay_linked(self, payer: int, middle: int, payee: int, first: int, second: int) -> None:
        w = self.wallets
        steps = [(w[payer], w[middle], first), (w[middle], w[payee], second)]
        said = self.model.move(steps)

        assert self._post(steps) == said

    @rule(who=people, amount=amounts)
    def hold(self, who: int, amount: int) -> None:
        order = uuid4()
        said = self.model.hold(order, self.wallets[who], amount)

        found = self._send(
            lambda tx: escrow.hold(
                tx, order, self.wallets[who].owner, amount, UNIT, tx.now + timedelta(days=75)
            )
        )

        assert found == said

    @precondition(lambda self: self.model.holds)
    @rule(
        which=indexes, seller=people, fee=st.integers(0, 9), wrong=st.sampled_from([0, 0, 0, 1, -1])
    )
    def release(self, which: int, seller: int, fee: int, wrong: int) -> None:
        order, amount = self._pick(which)
        seller, fee = self._other_than_payer(order, seller), min(fee, amount)
        legs = [
            (self.pendings[seller], amount + wrong - fee), (FEE, fee - fee // 3), (FUND, fee // 3),
        ]  # fmt: skip
        if any(part < 0 for _, part in legs):
            return
        said = self.model.resolve(order, "released", legs)

        assert self._send(self._releasing(order, seller, amount + wrong, fee)) == said

    @precondition(lambda self: self.model.holds)
    @rule(which=indexes)
    def refund(self, which: int) -> None:
        order, amount = self._pick(which)
        payer = self.model.holds[order][0]
        said = self.model.resolve(order, "refunded", [(payer, amount)])

        assert self._send(self._refunding(order)) == said

    @precondition(lambda self: self.model.holds)
    @rule(which=indexes, seller=people, percent=st.integers(0, 100))
    def split(self, which: int, seller: int, percent: int) -> None:
        order, amount = self._pick(which)
        payer, seller = self.model.holds[order][0], self._other_than_payer(order, seller)
        kept = amount * percent // 100
        legs = [(self.pendings[seller], kept), (payer, amount - kept)]
        said = self.model.resolve(order, "split", legs)

        found = self._send(
            lambda tx: escrow.split(
                tx,
                order,
                payer.owner,
                self.wallets[seller].owner,
                kept,
                amount - kept,
                UNIT,
                _fee(0),
            )
        )

        assert found == said

    @rule(who=people, amount=st.integers(0, 60))
    def settle(self, who: int, amount: int) -> None:
        steps = [(self.pendings[who], self.wallets[who], amount)] if amount else []
        said = self.model.move(steps)
        reference = uuid4()
        self.references.append(reference)

        found = self._send(
            lambda tx: escrow.settle(tx, reference, self.wallets[who].owner, amount, UNIT)
        )

        assert found == said

    @precondition(lambda self: self.plain)
    @rule(which=indexes)
    def reverse(self, which: int) -> None:
        reference, (debit, credit, amount) = self.plain[which % len(self.plain)]
        transfer = self._transfer(reference)
        said = "already_reversed"
        if reference not in self.reversed:
            said = self.model.move([(credit, debit, amount)])

        assert self._send(lambda tx: ledger.reverse(tx, transfer)) == said

        if said == DONE:
            self.reversed.add(reference)

    @precondition(lambda self: self.model.holds)
    @rule(which=indexes)
    def reverse_a_hold(self, which: int) -> None:
        order, _ = self._pick(which)
        transfer = self._transfer(order)

        assert self._send(lambda tx: ledger.reverse(tx, transfer)) == "transfer_of_hold"

    # The same at once ---------------------------------------------------------------------------

    @rule(payer=people, payee=people, amount=st.integers(1, 60), times=st.integers(2, 5))
    def race_to_pay(self, payer: int, payee: int, amount: int, times: int) -> None:
        step = (self.wallets[payer], self.wallets[payee], amount)
        said = sorted(self.model.move([step]) for _ in range(times))

        found = sorted(self._race([self._posting([step]) for _ in range(times)]))

        assert found == said

    @precondition(lambda self: self.model.holds)
    @rule(which=indexes, seller=people)
    def race_to_resolve(self, which: int, seller: int) -> None:
        order, amount = self._pick(which)
        payer, _, was = self.model.holds[order]
        seller = self._other_than_payer(order, seller)
        releasing, refunding = self._releasing(order, seller, amount, 0), self._refunding(order)

        found = self._race([releasing, refunding, releasing, refunding])

        lost = "hold_resolved"
        assert sorted(found) == sorted([lost] * 4 if was != "open" else [DONE] + [lost] * 3)
        if was == "open":
            to = self.pendings[seller] if found.index(DONE) % 2 == 0 else payer
            assert self.model.resolve(order, "resolved", [(to, amount)]) == DONE

    @precondition(lambda self: self.plain)
    @rule(which=indexes)
    def race_to_reverse(self, which: int) -> None:
        reference, (debit, credit, amount) = self.plain[which % len(self.plain)]
        transfer = self._transfer(reference)
        said = ["already_reversed"] * 3
        if reference not in self.reversed:
            first = self.model.move([(credit, debit, amount)])
            said = [first] + (["already_reversed"] * 2 if first == DONE else [first] * 2)
            if first == DONE:
                self.reversed.add(reference)

        found = self._race([lambda tx: ledger.reverse(tx, transfer)] * 3)

        assert sorted(found) == sorted(said)

    # What holds after each ----------------------------------------------------------------------

    @invariant()
    def the_balances_are_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        places = [Account("escrow", order, UNIT) for order in self.model.holds]
        accounts = [*self.wallets, *self.pendings, *places]
        stored, rows = self.runner.run(self._read(accounts))

        assert stored == {a.id: self.model.balances.get(a, 0) for a in accounts}
        assert rows == self.model.rows
        for order, (_, amount, state) in self.model.holds.items():
            held = self.model.balances[Account("escrow", order, UNIT)]
            assert held == (amount if state == "open" else 0)

    async def _read(self, accounts: list[Account]) -> tuple[dict[UUID, int], int]:
        references = [*self.references, *self.model.holds]
        async with self.database.reading() as conn:
            found = await conn.fetch(
                "SELECT id, balance FROM money.accounts WHERE id = ANY ($1)",
                [a.id for a in accounts],
            )
            rows = await conn.fetchval(
                "SELECT count(*) FROM money.transfers WHERE reference_id = ANY ($1)", references
            )
        return {row["id"]: row["balance"] for row in found}, rows

    def _pick(self, which: int) -> tuple[UUID, int]:
        order = list(self.model.holds)[which % len(self.model.holds)]
        return order, self.model.holds[order][1]

    def _other_than_payer(self, order: UUID, seller: int) -> int:
        """Nobody is paid out of his own hold (L18)."""
        own = self.wallets[seller] == self.model.holds[order][0]
        return (seller + own) % PEOPLE

    def _releasing(self, order: UUID, seller: int, amount: int, fee: int) -> Callable[[Tx], None]:
        owner = self.wallets[seller].owner
        return lambda tx: escrow.release(tx, order, owner, amount, UNIT, _fee(fee))

    def _refunding(self, order: UUID) -> Callable[[Tx], None]:
        payer, amount, _ = self.model.holds[order]
        return lambda tx: escrow.refund(tx, order, payer.owner, amount, UNIT)

    def _transfer(self, reference: UUID) -> UUID:
        async def look() -> Any:
            async with self.database.reading() as conn:
                return await conn.fetchval(
                    "SELECT id FROM money.transfers WHERE reference_id = $1 AND code <> 'reversal'"
                    " ORDER BY id LIMIT 1",
                    reference,
                )

        found: UUID = self.runner.run(look())
        return found


def _fee(amount: int) -> Fee:
    return Fee(
        amount_minor=amount, fund_share_minor=amount // 3, rate_bps=0, reason="x", table_version="t"
    )


@contextmanager
def connected(url: str) -> Iterator[None]:
    """The machine has a loop and a pool of its own."""
    with asyncio.Runner() as runner:
        pool = runner.run(open_pool(url, size=6))
        LedgerMachine.runner, LedgerMachine.database = runner, Database(pool)
        try:
            yield
        finally:
            runner.run(pool.close())


async def check(url: str) -> invariants.Report:
    conn = await asyncpg.connect(url)
    try:
        return await invariants.run(conn)
    finally:
        await conn.close()


def test_the_ledger_does_what_the_model_says(server: embedded.ServerAddress, template: str) -> None:
    name = f"t_{uuid4().hex[:12]}"
    asyncio.run(_admin(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    url = server.url(name)

    with connected(url):
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=60,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                # Shrinking races takes minutes; the steps of a failure are printed anyhow.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
            ),
        )

    report = asyncio.run(check(url))
    asyncio.run(_admin(server, f"DROP DATABASE {name}"))
    assert [c.name for c in report.checks if c.state == "violated"] == []
    assert next(c.rows for c in report.checks if c.name.startswith("L08")) > 0


async def _admin(server: embedded.ServerAddress, statement: str) -> None:
    conn = await asyncpg.connect(server.url("postgres"))
    await conn.execute(statement)
    await conn.close()
