"""A round of a chargeback ends: what was set aside pays the bank, or goes back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import reserve
from handsel.money.escrow.chargebacks import queries, steps
from handsel.money.escrow.chargebacks.queries import Chargeback, PartRow
from handsel.money.escrow.chargebacks.waterfall import Held, fund_bears, share, take
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import disputes
from handsel.money.payments.disputes import Dispute

_FREE = ("uuid[]",)


@dataclass(slots=True)
class _Bill:
    """Who has to pay how much of a lost chargeback. ``held``: what open orders still hold, which is
    paid when they close. ``protected``: what of a member's part the fund bears if they cannot."""

    members: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    protected: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    house: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    pending: list[tuple[UUID, int]] = field(default_factory=list)
    held: int = 0


async def lose(tx: Tx, chargeback: Chargeback, said: Dispute) -> None:
    """The bank keeps the money: everything that was set aside pays, and what is missing comes from
    reserve and wallet, and then is owed, or borne by the fund and the house."""
    parts, holds = await _lock(tx, chargeback)
    bill = _bill(chargeback, parts, holds)
    covers, owed = await _cover(tx, chargeback, bill)
    paid = sum(cover.amount_minor for cover in covers) + sum(amount for _, amount in bill.pending)
    assert paid + bill.held == chargeback.amount, "every cent of a lost chargeback is borne"
    for hold, amount in bill.pending:
        tx.call("money.cover_from_pending", ("uuid", "uuid", "bigint"), chargeback.id, hold, amount)
    if covers:
        ledger.post(tx, covers, chargeback.id)
    await _decide(tx, chargeback, "accepted" if chargeback.accepted_at else "lost", said)
    tx.call("money.free_holds", _FREE, list(holds))
    for seller in sorted({hold.payee for hold in holds.values() if hold.payee}):
        await reserve.note_lost_chargeback(tx, seller, chargeback.id)
    debts = {str(member): amount for member, amount in owed.items()}
    tx.emit("chargeback.lost", chargeback.id, _event(chargeback, parts, holds) | {"owed": debts})


async def _cover(
    tx: Tx, chargeback: Chargeback, bill: _Bill
) -> tuple[list[Transfer], dict[UUID, int]]:
    """The transfers that pay the bank, and who owes how much by them."""
    unit = chargeback.unit
    aside = await queries.set_aside(tx, chargeback)
    short = dict(bill.members)
    for part in aside:
        short[part.member] = short.get(part.member, 0) - part.amount
    assert min(short.values(), default=0) >= 0, "no more is set aside than has to be borne"
    bearers = await queries.lock_bearers(tx, list(short), unit)
    takes, missing = take(sorted(short.items()), bearers.balances)
    for taken in takes:
        if taken.kind == "reserve":
            reserve.take(tx, taken.member, unit, taken.amount)
    await _bear(tx, unit, bill, missing)
    owed = {member: amount for member, amount in missing.items() if amount}
    ledger.open_accounts(tx, [Account("receivable", member, unit) for member in owed])
    sources = [
        (chargeback.contested, sum(part.amount for part in aside), "dispute_covered"),
        *((Account(t.kind, t.member, unit), t.amount, "dispute_covered") for t in takes),
        *((Account(kind, HOUSE, unit), a, "dispute_covered") for kind, a in bill.house.items()),
        *((Account("receivable", m, unit), amount, "dispute_owed") for m, amount in owed.items()),
    ]
    transit = Account("dispute_transit", HOUSE, unit)
    covers = [Transfer(source, transit, amount, code) for source, amount, code in sources if amount]
    return covers, owed


async def win(tx: Tx, chargeback: Chargeback, said: Dispute) -> None:
    """The bank gives the money back: it goes where it came from, and everything runs again."""
    parts, holds = await _lock(tx, chargeback)
    aside = await queries.set_aside(tx, chargeback)
    unit = chargeback.unit
    bearers = await queries.lock_bearers(tx, [part.member for part in aside], unit)
    clearing = Account("provider_clearing", HOUSE, unit)
    transit = Account("dispute_transit", HOUSE, unit)
    transfers = [Transfer(clearing, transit, chargeback.amount, "dispute_returned")]
    if said.fee_minor:
        costs = Account("provider_costs", HOUSE, unit)
        transfers.append(Transfer(clearing, costs, said.fee_minor, "dispute_fee_returned"))
    for member, kind, carded, amount in aside:
        # A reserve whose time is over goes on to the wallet, where it would be by now.
        kept = min(amount, bearers.taken.get(member, 0)) if kind == "reserve" else 0
        if kept:
            reserve.give_back(tx, member, unit, kept)
        code = "contest_returned" if carded else "contest_earned_returned"
        for target, part in (("reserve", kept), ("wallet", amount - kept)):
            if part:
                account = Account(target, member, unit)
                ledger.open_accounts(tx, [account])
                transfers.append(Transfer(chargeback.contested, account, part, code))
    ledger.post(tx, transfers, chargeback.id)
    await _decide(tx, chargeback, "won", said)
    if not await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.chargebacks WHERE top_up_id = $1 AND state <> 'won')",
        chargeback.top_up_id,
    ):
        await disputes.mark(tx, chargeback.top_up_id, disputed=False)
    tx.call("money.free_holds", _FREE, list(holds))
    tx.emit("chargeback.won", chargeback.id, _event(chargeback, parts, holds))


async def _lock(tx: Tx, chargeback: Chargeback) -> tuple[list[PartRow], dict[UUID, Held]]:
    """The parts as they are once their holds are locked: what went back until then is in them."""
    ids = [row.part.hold for row in await queries.parts(tx, chargeback) if row.part.hold]
    holds = await queries.lock_holds(tx, sorted(ids))
    return await queries.parts(tx, chargeback), holds


def _bill(chargeback: Chargeback, parts: Sequence[PartRow], holds: Mapping[UUID, Held]) -> _Bill:
    bill = _Bill()
    for row in parts:
        part = row.part
        if part.place == "untraced":
            bill.house["losses"] += part.amount
        elif part.hold is None:
            bill.members[chargeback.member_id] += part.amount
        else:
            if row.gone_back:
                bill.members[chargeback.member_id] += row.gone_back
            _bill_hold(bill, chargeback, row, holds[part.hold])
    return bill


def _bill_hold(bill: _Bill, chargeback: Chargeback, row: PartRow, hold: Held) -> None:
    if not row.rest:
        return
    if hold.state == "open":
        bill.held += row.rest
        return
    if not hold.released and not hold.kept:  # all of it went back by other ways
        bill.members[chargeback.member_id] += row.rest
        return
    borne = share(row.rest, hold)
    for kind, amount in borne.house:
        bill.house[kind] += amount
    waiting = min(borne.seller, hold.pending)
    if waiting:
        bill.pending.append((hold.id, waiting))
    rest = borne.seller - waiting
    if rest:
        assert hold.payee is not None, "what was released has a payee"
        bill.members[hold.payee] += rest
        if fund_bears(row.facts):
            bill.protected[hold.payee] += rest


async def _bear(tx: Tx, unit: str, bill: _Bill, missing: dict[UUID, int]) -> None:
    """Take from what is missing what the fund bears, as far as it reaches, and then the house."""
    for member in list(missing):
        borne = min(missing[member], bill.protected[member])
        if not borne:
            continue
        reaches = await fund_left(tx, unit) - bill.house["protection_fund"]
        from_fund = max(min(borne, reaches), 0)
        bill.house["protection_fund"] += from_fund
        bill.house["losses"] += borne - from_fund
        missing[member] -= borne


async def fund_left(tx: Tx, unit: str) -> int:
    """What is in the protection fund. Nobody else asks until this transaction ends: two must not
    both take the last of it."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 74))", unit)
    fund = Account("protection_fund", HOUSE, unit)
    left: int = await tx.fetchval("SELECT money.folded_balance($1)", fund.id)
    return left


async def _decide(tx: Tx, chargeback: Chargeback, state: str, said: Dispute) -> None:
    chargeback.state = state
    await tx.execute(
        "UPDATE money.chargebacks SET state = $2, decided_at = $3, said_at = $4 WHERE id = $1",
        chargeback.id,
        state,
        tx.now,
        said.said_at,
    )
    steps.note(tx, chargeback, state)


def _event(
    chargeback: Chargeback, parts: Sequence[PartRow], holds: Mapping[UUID, Held]
) -> dict[str, object]:
    inside = [row for row in parts if row.part.hold]
    return steps.body(chargeback) | {
        "orders": [
            {"order_id": holds[row.part.hold].order_id, "amount_minor": row.part.amount}
            for row in inside
            if row.part.hold
        ]
    }
