"""Evidence: what sellers and their orders have to say, sent to the provider once a round.

It goes when everybody concerned has written, or a day before it is due with what there is.
"""

from typing import Any
from uuid import UUID, uuid5

import msgspec

from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.money.escrow.chargebacks import queries, steps
from handsel.money.escrow.chargebacks.errors import (
    ChargebackDecided,
    EvidenceSent,
    EvidenceTooLate,
    NotYoursAlone,
)
from handsel.money.escrow.chargebacks.queries import Chargeback
from handsel.money.escrow.chargebacks.waterfall import policy
from handsel.money.payments.disputes import DisputeDesk

_LONGEST = 20_000


async def attach(
    tx: Tx, chargeback_id: UUID, order_id: UUID, seller_id: UUID, facts: dict[str, Any]
) -> None:
    """What is known of an order that the payment went into, and whose it is. Once a round."""
    await tx.execute(
        "UPDATE money.chargeback_parts p SET seller_id = $3, facts = $4"
        " FROM money.chargebacks c, money.holds h WHERE c.id = $1 AND p.chargeback_id = c.id"
        " AND p.round = c.round AND h.id = p.hold_id AND h.reference_id = $2 AND p.facts IS NULL",
        chargeback_id,
        order_id,
        seller_id,
        facts,
    )


async def give(tx: Tx, principal: Principal, chargeback_id: UUID, text: str) -> UUID:
    """A seller's word. Raises ``NotFound``, ``ChargebackDecided``, ``EvidenceSent``,
    ``EvidenceTooLate``, and at the commit ``EvidenceExists``."""
    chargeback, sellers = await _mine(tx, principal, chargeback_id)
    if chargeback.accepted_at is not None:
        raise ChargebackDecided("it has been given up")
    if tx.now > chargeback.evidence_due_at:
        raise EvidenceTooLate
    if chargeback.evidence_ready_at is not None:
        raise EvidenceSent
    await tx.execute(
        "INSERT INTO money.chargeback_evidence (chargeback_id, round, member_id, text, at)"
        " VALUES ($1, $2, $3, $4, $5)",
        chargeback.id,
        chargeback.round,
        principal.member_id,
        text,
        tx.now,
    )
    steps.note(tx, chargeback, "evidence_given", principal.member_id)
    given: int = await tx.fetchval(
        "SELECT count(*) FROM money.chargeback_evidence WHERE chargeback_id = $1 AND round = $2",
        chargeback.id,
        chargeback.round,
    )
    if given == len(sellers):
        await _ready(tx, chargeback)
    return chargeback.id


async def accept(tx: Tx, principal: Principal, chargeback_id: UUID) -> UUID:
    """The only seller concerned gives it up: the provider is told, and will say that it is lost.

    Raises ``NotFound``, ``ChargebackDecided``, ``EvidenceSent``, ``NotYoursAlone``.
    """
    chargeback, sellers = await _mine(tx, principal, chargeback_id)
    if chargeback.evidence_ready_at is not None:
        raise EvidenceSent
    if len(sellers) > 1:
        raise NotYoursAlone
    if chargeback.accepted_at is None:
        await tx.execute(
            "UPDATE money.chargebacks SET accepted_at = $2 WHERE id = $1", chargeback.id, tx.now
        )
        steps.note(tx, chargeback, "given_up", principal.member_id)
        tx.emit("chargeback.given_up", chargeback.id, steps.body(chargeback))
    return chargeback.id


async def make_ready(tx: Tx, limit: int = 200) -> int:
    """Let the evidence go whose time has come, with what there is; how many. For the sweep."""
    rows = await tx.fetch(
        f"SELECT {queries.COLUMNS} FROM money.chargebacks WHERE state = 'open'"
        " AND evidence_ready_at IS NULL AND accepted_at IS NULL AND evidence_due_at <= $1"
        " ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
        tx.now + policy().evidence_lead,
        limit,
    )
    for row in rows:
        await _ready(tx, Chargeback(**dict(row)))
    return len(rows)


async def submit(database: Database, gateway: DisputeDesk, chargeback_id: UUID) -> None:
    """Send what there is; asked again after silence, the provider takes it once.

    Raises ``ProviderUnavailable``.
    """
    async with database.transaction() as tx:
        chargeback = await queries.lock_by_id(tx, chargeback_id)
        if chargeback is None or chargeback.state != "open":
            return
        text = await _text(tx, chargeback)
    if text:
        key = _key(chargeback, "evidence")
        await gateway.submit_evidence(key, chargeback.provider_reference, text)
        await database.run(lambda tx: _note_sent(tx, chargeback))


async def tell_given_up(database: Database, gateway: DisputeDesk, chargeback_id: UUID) -> None:
    """Tell the provider that nobody contests it. Raises ``ProviderUnavailable``."""
    async with database.transaction() as tx:
        chargeback = await queries.lock_by_id(tx, chargeback_id)
    if chargeback is not None and chargeback.runs and chargeback.accepted_at:
        await gateway.accept_dispute(_key(chargeback, "accept"), chargeback.provider_reference)


async def _mine(
    tx: Tx, principal: Principal, chargeback_id: UUID
) -> tuple[Chargeback, list[UUID | None]]:
    """The running chargeback, locked, if one is a seller of it; and all its sellers, None among
    them while of some order it is not known whose it is."""
    chargeback = await queries.lock_by_id(tx, chargeback_id)
    if chargeback is None:
        raise NotFound("there is no such chargeback")
    rows = await tx.fetch(
        "SELECT DISTINCT seller_id FROM money.chargeback_parts"
        " WHERE chargeback_id = $1 AND round = $2 AND hold_id IS NOT NULL",
        chargeback.id,
        chargeback.round,
    )
    sellers = [row["seller_id"] for row in rows]
    if principal.member_id not in sellers:
        raise NotFound("there is no such chargeback")
    if not chargeback.runs:
        raise ChargebackDecided
    return chargeback, sellers


async def _ready(tx: Tx, chargeback: Chargeback) -> None:
    await tx.execute(
        "UPDATE money.chargebacks SET evidence_ready_at = $2 WHERE id = $1", chargeback.id, tx.now
    )
    tx.emit("chargeback.evidence_ready", chargeback.id, steps.body(chargeback))


async def _text(tx: Tx, chargeback: Chargeback) -> str:
    """Words first, then the facts of the orders as JSON."""
    words = await tx.fetch(
        "SELECT text FROM money.chargeback_evidence WHERE chargeback_id = $1 AND round = $2"
        " ORDER BY at, member_id",
        chargeback.id,
        chargeback.round,
    )
    facts = [row.facts for row in await queries.parts(tx, chargeback) if row.facts]
    parts = [row["text"] for row in words]
    parts += [msgspec.json.format(msgspec.json.encode(f), indent=1).decode() for f in facts]
    return "\n\n".join(parts)[:_LONGEST]


async def _note_sent(tx: Tx, chargeback: Chargeback) -> None:
    tag = await tx.execute(
        "UPDATE money.chargebacks SET state = 'evidence_sent', evidence_sent_at = $3"
        " WHERE id = $1 AND round = $2 AND state = 'open'",
        chargeback.id,
        chargeback.round,
        tx.now,
    )
    if tag == "UPDATE 1":
        steps.note(tx, chargeback, "evidence_sent")


def _key(chargeback: Chargeback, what: str) -> UUID:
    """Ours to the provider: the same whenever it is asked again, another one each round."""
    return uuid5(chargeback.id, f"{what}:{chargeback.round}")
