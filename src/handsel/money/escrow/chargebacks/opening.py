"""A round of a chargeback begins: what the bank took, where it is, what is set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from handsel.foundation.core.ids import uuid7
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import reserve
from handsel.money.escrow.chargebacks import queries, steps
from handsel.money.escrow.chargebacks.attribution import Place
from handsel.money.escrow.chargebacks.queries import Aside, Bearers, Chargeback
from handsel.money.escrow.chargebacks.waterfall import Held, Kind, Part, Take, share, split, take
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import alerts, disputes, payouts
from handsel.money.payments.disputes import EVIDENCE_WITHIN, Dispute


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that the money touches, locked."""

    places: Mapping[Place, int]
    holds: Mapping[UUID, Held]
    bearers: Bearers


async def open_round(
    tx: Tx, top_up: asyncpg.Record, before: Chargeback | None, said: Dispute
) -> Chargeback:
    """Book what the bank took and set aside what is there. ``before`` is the row when it was won
    and is taken again. What is missing is borne when it is lost."""
    others = await queries.claimed_by_others(tx, top_up["id"], said.reference)
    traceable = min(said.amount_minor, max(top_up["left"] - others.amount, 0))
    chargeback = await _write(tx, top_up, before, said)
    found = await _find(tx, top_up, chargeback.unit)
    places = {
        place: max(amount - others.still.get(place, 0), 0) for place, amount in found.places.items()
    }
    parts = split(said.amount_minor, traceable, places, found.holds)
    await _write_parts(tx, chargeback, parts, found.holds)
    takes = await _set_aside(tx, chargeback, parts, found)
    _post(tx, chargeback, said, takes)
    holds = [part.hold for part in parts if part.hold]
    tx.call("money.dispute_holds", ("uuid[]",), holds)
    await disputes.mark(tx, top_up["id"], disputed=True)
    steps.note(tx, chargeback, "opened" if before is None else "opened_again")
    tx.emit("chargeback.opened", chargeback.id, _event(chargeback, said, parts, takes, found.holds))
    if said.amount_minor > traceable:
        alerts.raise_alert(
            tx,
            "chargeback_beyond_payment",
            chargeback.provider_reference,
            f"The provider took {said.amount_minor} {said.currency} of a payment of which at most"
            f" {traceable} can be left: ask for the rest.",
        )
    return chargeback


async def _write(
    tx: Tx, top_up: asyncpg.Record, before: Chargeback | None, said: Dispute
) -> Chargeback:
    chargeback = Chargeback(
        id=before.id if before else uuid7(),
        provider_reference=said.reference,
        top_up_id=top_up["id"],
        member_id=top_up["member_id"],
        amount=said.amount_minor,
        unit=said.currency,
        reason=said.reason[:100],
        round=before.round + 1 if before else 1,
        state="open",
        accepted_at=None,
        evidence_due_at=said.evidence_due_at or tx.now + EVIDENCE_WITHIN,
        evidence_ready_at=None,
        evidence_sent_at=None,
        opened_at=before.opened_at if before else tx.now,
        decided_at=None,
        said_at=said.said_at,
    )
    names = list(Chargeback.__dataclass_fields__)
    marks = ", ".join(f"${i}" for i in range(1, len(names) + 1))
    changes = ", ".join(f"{n} = excluded.{n}" for n in names if n not in ("id", "opened_at"))
    await tx.execute(
        f"INSERT INTO money.chargebacks ({queries.COLUMNS}) VALUES ({marks})"
        f" ON CONFLICT (id) DO UPDATE SET {changes}",
        *(getattr(chargeback, name) for name in names),
    )
    return chargeback


async def _find(tx: Tx, top_up: asyncpg.Record, unit: str) -> _Found:
    """Lock holds, then accounts, and look again until nothing has moved in between.

    Spending, refunding and settling lock the same rows: each of them is either over and seen here,
    or waits for this transaction and then sees the dispute.
    """
    payer = top_up["member_id"]
    locked: set[UUID] = set()
    found: _Found | None = None
    while True:
        everywhere = await queries.places(tx, payer, unit)
        places = everywhere.get(top_up["id"], {})
        inside = {which for (kind, which) in places if kind == "hold" and which is not None}
        if found is not None and inside <= locked:
            return _Found(places, found.holds, found.bearers)
        locked |= inside
        holds = await queries.lock_holds(tx, sorted(locked))
        members = [payer, *(hold.payee for hold in holds.values() if hold.payee)]
        found = _Found(places, holds, await queries.lock_bearers(tx, members, unit))


async def _write_parts(
    tx: Tx, chargeback: Chargeback, parts: Sequence[Part], holds: Mapping[UUID, Held]
) -> None:
    await tx.execute(
        "INSERT INTO money.chargeback_parts"
        " (chargeback_id, round, place, amount, hold_id, seller_id)"
        " SELECT $1, $2, p.place, p.amount, p.hold, p.seller"
        " FROM unnest($3::text[], $4::bigint[], $5::uuid[], $6::uuid[])"
        " WITH ORDINALITY AS p (place, amount, hold, seller, n) ORDER BY p.n",
        chargeback.id,
        chargeback.round,
        [part.place for part in parts],
        [part.amount for part in parts],
        [part.hold for part in parts],
        [holds[part.hold].payee if part.hold else None for part in parts],
    )


async def _set_aside(
    tx: Tx, chargeback: Chargeback, parts: Sequence[Part], found: _Found
) -> list[Aside]:
    """What is taken out of whose account now, never more than is there. Payouts that were not sent
    yet come back first where there is too little."""
    payer, bearers = chargeback.member_id, found.bearers
    own = min(
        sum(part.amount for part in parts if part.place == "wallet"),
        bearers.balances.get((payer, "wallet"), 0),
        bearers.restricted.get(payer, 0),
    )
    needs = [(payer, part.amount) for part in parts if part.place == "spent"]
    for part in parts:
        hold = found.holds[part.hold] if part.hold else None
        if hold is not None and hold.payee is not None and not hold.pending:
            needs.append((hold.payee, share(part.amount, hold).seller))
    takes, missing = take(needs, _without(bearers, payer, own))
    if missing and await _bring_back(tx, sorted(missing), chargeback.unit):
        bearers = await queries.lock_bearers(tx, [payer, *missing, *(m for m, _ in needs)],
                                             chargeback.unit)  # fmt: skip
        takes, _ = take(needs, _without(bearers, payer, own))
    mine = [Aside(payer, "wallet", carded=True, amount=own)] if own else []
    return mine + _by_colour(takes, bearers)


def _by_colour(takes: Sequence[Take], bearers: Bearers) -> list[Aside]:
    """For what somebody has to bear beyond the disputed money itself their free money goes first:
    else they could withdraw it, and pay with card money, which their bank may take again."""
    found: list[Aside] = []
    for part in takes:
        free = part.amount
        if part.kind == "wallet":
            carded = bearers.restricted.get(part.member, 0)
            there = bearers.balances[part.member, "wallet"] - carded
            gone = [a.amount for a in found if a[:3] == (part.member, "wallet", False)]
            free = min(there - sum(gone), part.amount)
        found += [
            Aside(part.member, part.kind, is_card, amount)
            for is_card, amount in ((False, free), (True, part.amount - free))
            if amount
        ]
    return found


async def _bring_back(tx: Tx, members: Sequence[UUID], unit: str) -> bool:
    """Stop withdrawals that were not sent yet; True when money came back to a wallet.

    One that is being sent right now waits for the wallet, and will see the dispute there itself.
    """
    stopped = 0
    for member in members:
        waiting = await tx.fetch(
            "SELECT id FROM money.withdrawals WHERE member_id = $1 AND unit = $2"
            " AND state = 'pending'",
            member,
            unit,
        )
        free = await tx.fetch(
            "SELECT id FROM money.withdrawals WHERE id = ANY ($1) AND state = 'pending'"
            " ORDER BY id FOR UPDATE SKIP LOCKED",
            [row["id"] for row in waiting],
        )
        if len(free) == len(waiting):
            stopped += await payouts.stop_pending(tx, member, unit, "payment_disputed")
    await tx.flush()
    return stopped > 0


def _without(bearers: Bearers, payer: UUID, own: int) -> dict[tuple[UUID, Kind], int]:
    """Balances less what of the payer's wallet is set aside as the disputed money itself."""
    left: dict[tuple[UUID, Kind], int] = dict(bearers.balances)
    if own:
        left[payer, "wallet"] -= own
    return left


def _post(tx: Tx, chargeback: Chargeback, said: Dispute, takes: Sequence[Aside]) -> None:
    unit = chargeback.unit
    clearing = Account("provider_clearing", HOUSE, unit)
    transit = Account("dispute_transit", HOUSE, unit)
    transfers = [Transfer(transit, clearing, chargeback.amount, "dispute_taken")]
    if said.fee_minor:
        costs = Account("provider_costs", HOUSE, unit)
        transfers.append(Transfer(costs, clearing, said.fee_minor, "dispute_fee"))
    ledger.open_accounts(tx, [chargeback.contested])
    for part in takes:
        source = Account(part.kind, part.member, unit)
        code = "contest" if part.carded else "contest_earned"
        transfers.append(Transfer(source, chargeback.contested, part.amount, code))
        if part.kind == "reserve":
            reserve.take(tx, part.member, unit, part.amount)
    ledger.post(tx, transfers, chargeback.id)


def _event(
    chargeback: Chargeback,
    said: Dispute,
    parts: Sequence[Part],
    takes: Sequence[Aside],
    holds: Mapping[UUID, Held],
) -> dict[str, object]:
    """What the house is told. ``set_aside``: member to amount."""
    aside: dict[str, int] = {}
    for part in takes:
        aside[str(part.member)] = aside.get(str(part.member), 0) + part.amount
    return steps.body(chargeback) | {
        "fee_minor": said.fee_minor,
        "set_aside": aside,
        "orders": [
            {
                "order_id": holds[part.hold].order_id,
                "amount_minor": part.amount,
                "place": "held" if holds[part.hold].state == "open"
                else "waiting" if holds[part.hold].pending else "paid",
            }
            for part in parts
            if part.hold
        ],
    }  # fmt: skip
