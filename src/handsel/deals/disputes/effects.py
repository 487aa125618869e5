"""What moves do besides moving: offers, proposals, rulings, and who has the case."""

from collections.abc import Awaitable, Callable

from handsel.deals.disputes.machine import OFFER_STANDS
from handsel.deals.disputes.moves import Move
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.money.payments import alerts

Effect = Callable[[Tx, Move], Awaitable[None]]


async def offer(tx: Tx, move: Move) -> None:
    """An offer now stands instead of the one before; an answer may come without one."""
    if move.data.split is None:
        return
    await _end_offers(tx, move, "replaced")
    await tx.execute(
        "INSERT INTO deals.dispute_offers"
        " (dispute_id, by_id, role, split, note, made_at, valid_until)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        move.dispute.id,
        move.actor_id,
        move.role,
        move.data.split,
        move.data.note,
        tx.now,
        tx.now + OFFER_STANDS,
    )


async def decline(tx: Tx, move: Move) -> None:
    """No."""
    await _end_offers(tx, move, "declined")


async def accept(tx: Tx, move: Move) -> None:
    """Yes."""
    await _end_offers(tx, move, "accepted")


async def agree(tx: Tx, move: Move) -> None:
    """One of the two says yes to the staff's proposal."""
    assert move.offer is not None
    await tx.execute(
        "UPDATE deals.dispute_offers SET agreed_by = agreed_by || $2::uuid WHERE id = $1",
        move.offer.id,
        move.actor_id,
    )
    move.offer.agreed_by.append(move.actor_id)  # type: ignore[arg-type]


async def take(tx: Tx, move: Move) -> None:
    """The case is somebody's."""
    move.dispute.staff_id = move.actor_id
    await tx.execute(
        "UPDATE deals.disputes SET staff_id = $2 WHERE id = $1", move.dispute.id, move.actor_id
    )


async def propose(tx: Tx, move: Move) -> None:
    """A proposal that both may agree to."""
    await take(tx, move)
    await offer(tx, move)


async def rule(tx: Tx, move: Move) -> None:
    """A ruling, with who has made it."""
    dispute = move.dispute
    dispute.ruling, dispute.ruled_by, dispute.staff_id = (
        move.data.ruling,
        move.actor_id,
        move.actor_id,
    )
    await tx.execute(
        "UPDATE deals.disputes SET ruling = $2, ruled_by = $3, staff_id = $3 WHERE id = $1",
        dispute.id,
        dispute.ruling,
        dispute.ruled_by,
    )


async def give_back(tx: Tx, move: Move) -> None:
    """The case is nobody's again: whoever decides the appeal is somebody else."""
    move.dispute.staff_id = None
    await tx.execute("UPDATE deals.disputes SET staff_id = NULL WHERE id = $1", move.dispute.id)


async def reassign(tx: Tx, move: Move) -> None:
    """Staff were silent: the case is nobody's again, and somebody is told."""
    await give_back(tx, move)
    subject = encode("dsp", move.dispute.id)
    alerts.raise_alert(
        tx, "dispute_not_decided", subject, f"Nobody of the staff has moved {subject} in time."
    )


async def leave(tx: Tx, move: Move) -> None:
    """The stage is over, and with it whatever offer stood."""
    await _end_offers(tx, move, "over")


#: By transition; every move that leads somewhere else also ends what was offered.
EFFECTS: dict[str, Effect] = {
    "answer": offer,
    "offer": offer,
    "counter": offer,
    "decline": decline,
    "accept": accept,
    "settle": accept,
    "agree": agree,
    "take": take,
    "propose": propose,
    "rule": rule,
    "rule_on_appeal": rule,
    "reassign_mediation": reassign,
    "reassign_arbitration": reassign,
    "reassign_appeal": reassign,
    "appeal": give_back,
}


async def _end_offers(tx: Tx, move: Move, state: str) -> None:
    await tx.execute(
        "UPDATE deals.dispute_offers SET state = $2 WHERE dispute_id = $1 AND state = 'live'",
        move.dispute.id,
        state,
    )
