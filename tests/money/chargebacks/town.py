"""What the tests of chargebacks stand on: members, card money, orders, and what the bank says."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from handsel.foundation.db.uow import Database, Tx
from handsel.front import invariants
from handsel.money.escrow import reserve
from handsel.money.escrow import service as escrow
from handsel.money.escrow.chargebacks import queries
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.escrow.fees import Fee
from handsel.money.escrow.service import Sale
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments.disputes import Dispute
from tests.factories.members import add_member

#: 8 % of 30.00, a tenth of it for the fund.
FEE = Fee(amount_minor=240, fund_share_minor=24, rate_bps=800, reason="standard", table_version="t")
NO_FEE = Fee(amount_minor=0, fund_share_minor=0, rate_bps=0, reason="free", table_version="t")


@dataclass(frozen=True)
class Card:
    """A succeeded top-up."""

    id: UUID
    payer: UUID
    amount: int
    charge: str


class Town:
    """Everything in EUR."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def member(self) -> UUID:
        made = await self.database.run(lambda tx: add_member(tx))
        return made.id

    async def card(self, payer: UUID, amount: int) -> Card:
        """Money that came by card."""
        card = Card(uuid4(), payer, amount, f"ch_{uuid4().hex}")

        async def use_case(tx: Tx) -> None:
            await tx.execute(
                "INSERT INTO money.top_ups (id, member_id, amount, unit, token, state,"
                " provider_reference, created_at, decided_at)"
                " VALUES ($1, $2, $3, 'EUR', 'tok_ok', 'succeeded', $4, $5, $5)",
                card.id,
                payer,
                amount,
                card.charge,
                tx.now,
            )
            wallet = Account("wallet", payer, "EUR")
            ledger.open_accounts(tx, [wallet])
            clearing = Account("provider_clearing", HOUSE, "EUR")
            ledger.post(tx, [Transfer(clearing, wallet, amount, "top_up")], card.id)

        await self.database.run(use_case)
        return card

    async def gives(self, member: UUID, amount: int, kind: str = "wallet") -> None:
        """Free money, as if from a sale."""
        account = Account(kind, member, "EUR")

        async def use_case(tx: Tx) -> None:
            ledger.open_accounts(tx, [account])
            fee = Account("fee", HOUSE, "EUR")
            ledger.post(tx, [Transfer(fee, account, amount, "adjustment")], member)

        await self.database.run(use_case)

    async def spends(self, member: UUID, amount: int) -> None:
        """Out of a wallet and not into an order."""

        async def use_case(tx: Tx) -> None:
            wallet, fee = Account("wallet", member, "EUR"), Account("fee", HOUSE, "EUR")
            ledger.post(tx, [Transfer(wallet, fee, amount, "adjustment")], member)

        await self.database.run(use_case)

    async def order(self, payer: UUID, amount: int) -> UUID:
        """An order whose money is held."""
        order = uuid4()
        await self.run(
            lambda tx: escrow.hold(tx, order, payer, amount, "EUR", tx.now + timedelta(days=75))
        )
        return order

    async def release(self, order: UUID, seller: UUID, amount: int, fee: Fee = NO_FEE) -> None:
        await self.run(lambda tx: escrow.release(tx, Sale(order, seller, amount, "EUR", fee)))

    async def refund(self, order: UUID, payer: UUID, amount: int) -> None:
        await self.run(lambda tx: escrow.refund(tx, order, payer, amount, "EUR"))

    async def settle(self, order: UUID, seller: UUID, net: int) -> None:
        await self.run(lambda tx: escrow.settle(tx, order, seller, net, "EUR"))

    async def sold(self, payer: UUID, seller: UUID, amount: int, fee: Fee = NO_FEE) -> UUID:
        """An order that is over: its money is its seller's."""
        order = await self.order(payer, amount)
        await self.release(order, seller, amount, fee)
        await self.settle(order, seller, amount - fee.amount_minor)
        return order

    async def card_refund(self, card: Card, amount: int) -> None:
        """A part of it is back on its card."""

        async def use_case(tx: Tx) -> None:
            refund = await tx.fetchval(
                "INSERT INTO money.card_refunds (member_id, top_up_id, amount, unit, state,"
                " created_at, decided_at, succeeded_at)"
                " VALUES ($1, $2, $3, 'EUR', 'succeeded', $4, $4, $4)"
                " RETURNING id",
                card.payer,
                card.id,
                amount,
                tx.now,
            )
            await tx.execute(
                "UPDATE money.top_ups SET refunded = refunded + $2 WHERE id = $1", card.id, amount
            )
            wallet = Account("wallet", card.payer, "EUR")
            transit = Account("refund_transit", HOUSE, "EUR")
            clearing = Account("provider_clearing", HOUSE, "EUR")
            ledger.post(tx, [Transfer(wallet, transit, amount, "card_refund")], refund)
            ledger.post(tx, [Transfer(transit, clearing, amount, "card_refund_done")], refund)

        await self.database.run(use_case)

    async def withdrawal(self, member: UUID, amount: int, state: str = "pending") -> UUID:
        """Money on its way to a bank; ``pending``: the provider was not asked yet."""

        async def use_case(tx: Tx) -> UUID:
            method = await tx.fetchval(
                "INSERT INTO money.payout_methods (member_id, token, label, created_at)"
                " VALUES ($1, 'bank_ok', 'bank', $2) RETURNING id",
                member,
                tx.now,
            )
            made: UUID = await tx.fetchval(
                "INSERT INTO money.withdrawals (member_id, method_id, amount, unit, state,"
                " created_at) VALUES ($1, $2, $3, 'EUR', $4, $5) RETURNING id",
                member,
                method,
                amount,
                state,
                tx.now,
            )
            wallet, transit = (
                Account("wallet", member, "EUR"),
                Account("payout_transit", HOUSE, "EUR"),
            )
            ledger.post(tx, [Transfer(wallet, transit, amount, "withdraw")], made)
            return made

        return await self.database.run(use_case)

    async def fill_fund(self, amount: int) -> None:
        """Into the protection fund, or out of it."""
        fund, losses = Account("protection_fund", HOUSE, "EUR"), Account("losses", HOUSE, "EUR")
        debit, credit = (losses, fund) if amount > 0 else (fund, losses)
        if amount:
            move = Transfer(debit, credit, abs(amount), "adjustment")
            await self.run(lambda tx: ledger.post(tx, [move], uuid4()))

    async def repay(self, member: UUID, amount: int) -> None:
        fee, owed = Account("fee", HOUSE, "EUR"), Account("receivable", member, "EUR")
        move = Transfer(fee, owed, amount, "adjustment")
        await self.run(lambda tx: ledger.post(tx, [move], member))

    async def write_off(self, member: UUID) -> int:
        return await self.database.run(lambda tx: chargebacks.write_off(tx, member, "EUR"))

    async def release_reserves(self, order: UUID) -> None:
        """The time of this order's reserve is over."""
        ends = await self.value(
            "SELECT release_at - foundation.handsel_now() FROM money.reserves WHERE order_id = $1",
            order,
        )
        await self.move_clock(ends + timedelta(minutes=1))
        async with self.database.reading() as conn:
            await reserve.release_due(conn)

    async def move_clock(self, by: timedelta) -> None:
        await self.value("SELECT foundation.advance_clock($1)", by)

    async def business_now(self) -> datetime:
        moment: datetime = await self.value("SELECT foundation.handsel_now()")
        return moment

    async def alerts(self, subject: str) -> list[str]:
        async with self.database.reading() as conn:
            rows = await conn.fetch(
                "SELECT payload ->> 'kind' AS kind FROM foundation.outbox"
                " WHERE topic = 'alert.raised' AND payload ->> 'subject' = $1 ORDER BY id",
                subject,
            )
        return [row["kind"] for row in rows]

    async def run(self, use_case: Any) -> None:
        async def once(tx: Tx) -> None:
            use_case(tx)

        await self.database.run(once)

    async def said(self, card: Card, amount: int | None = None, **more: Any) -> Dispute:
        """What the bank says now, of a dispute of its own unless it is named."""
        return Dispute(
            reference=more.pop("reference", f"dp_{uuid4().hex}"),
            charge_reference=card.charge,
            amount_minor=card.amount if amount is None else amount,
            currency="EUR",
            said_at=more.pop("at", None) or await self.now(),
            **more,
        )

    async def said_again(self, before: Dispute) -> Dispute:
        """A later word of the same dispute."""
        return replace(before, said_at=await self.now(), fee_minor=0)

    async def opened(self, said: Dispute) -> UUID:
        return await self.database.run(lambda tx: chargebacks.opened(tx, said))

    async def lost(self, said: Dispute) -> UUID:
        return await self.database.run(lambda tx: chargebacks.lost(tx, said))

    async def won(self, said: Dispute) -> UUID:
        return await self.database.run(lambda tx: chargebacks.won(tx, said))

    async def now(self) -> datetime:
        """The provider's time, which always goes on."""
        moment: datetime = await self.value(
            "SELECT clock_timestamp() + ahead FROM foundation.clock"
        )
        return moment

    async def value(self, sql: str, *args: Any) -> Any:
        async with self.database.reading() as conn:
            return await conn.fetchval(sql, *args)

    async def has(self, kind: str, owner: UUID) -> int:
        """What is on an account; nothing where there is none."""
        account = Account(kind, owner, "EUR").id
        sql = "SELECT coalesce((SELECT balance FROM money.accounts WHERE id = $1), 0)"
        return int(await self.value(sql, account))

    async def house(self) -> dict[str, int]:
        """The house's own accounts that are not empty."""
        async with self.database.reading() as conn:
            rows = await conn.fetch(
                "SELECT kind, money.folded_balance(id) AS balance FROM money.accounts"
                " WHERE folded AND unit = 'EUR'"
            )
        return {row["kind"]: row["balance"] for row in rows if row["balance"]}

    async def events(self, chargeback: UUID) -> list[str]:
        async with self.database.reading() as conn:
            rows = await conn.fetch(
                "SELECT topic FROM foundation.outbox WHERE aggregate_id = $1 ORDER BY id",
                chargeback,
            )
        return [row["topic"] for row in rows]

    async def steps(self, chargeback: UUID) -> list[str]:
        """Round and step, oldest first."""
        async with self.database.reading() as conn:
            rows = await conn.fetch(
                "SELECT round, step FROM money.chargeback_steps WHERE chargeback_id = $1"
                " ORDER BY seq",
                chargeback,
            )
        return [f"{row['round']} {row['step']}" for row in rows]

    async def check(self) -> None:
        """No invariant of the money is violated."""
        async with self.database.reading() as conn:
            report = await invariants.run(conn)
        broken = {c.name: c.sample for c in report.checks if c.state == "violated"}
        assert not broken, broken
        await self._check_attribution()

    async def _check_attribution(self) -> None:
        """What the lines of each wallet tell of its card money is what the ledger says."""
        async with self.database.transaction() as tx:
            wallets = await tx.fetch(
                "SELECT owner_id, restricted FROM money.accounts"
                " WHERE kind = 'wallet' AND unit = 'EUR' AND state = 'open'"
            )
            for owner, restricted in wallets:
                found = await queries.places(tx, owner, "EUR")
                inside = sum(there.get(("wallet", None), 0) for there in found.values())
                assert inside == restricted, owner
