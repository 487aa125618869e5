"""The verbs of chargebacks. What the provider says may come twice, late and out of order: each verb
does its work once and brings about what must have happened before it."""

from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow.chargebacks import deciding, queries
from handsel.money.escrow.chargebacks.debts import old_debts, write_off
from handsel.money.escrow.chargebacks.evidence import (
    accept,
    attach,
    make_ready,
    submit,
    tell_given_up,
)
from handsel.money.escrow.chargebacks.evidence import give as give_evidence
from handsel.money.escrow.chargebacks.opening import open_round
from handsel.money.escrow.chargebacks.queries import Chargeback, still_held
from handsel.money.payments import alerts, disputes
from handsel.money.payments.disputes import Dispute, UnknownCharge

__all__ = [
    "Dispute", "UnknownCharge", "accept", "attach", "give_evidence", "lost", "make_ready",
    "old_debts", "opened", "still_held", "submit", "tell_given_up", "won", "write_off",
]  # fmt: skip


async def opened(tx: Tx, said: Dispute) -> UUID:
    """The bank took a payment back, for the first time or once more after it was won.

    Told again, or told late, it does nothing. Raises ``UnknownCharge``: ask again later.
    """
    return (await _opened(tx, said))[0].id


async def _opened(tx: Tx, said: Dispute) -> tuple[Chargeback, bool]:
    """The chargeback, and whether this is news."""
    top_up = await disputes.lock_top_up(tx, said)
    known = await queries.lock(tx, said.reference)
    if known is not None and (known.state != "won" or said.said_at <= known.said_at):
        return known, False
    return await open_round(tx, top_up, known, said), True


async def lost(tx: Tx, said: Dispute) -> UUID:
    """The bank keeps the money. Before its opening was told, or after it had been won, this opens
    the (next) round too. Raises ``UnknownCharge``."""
    chargeback, is_new = await _opened(tx, said)
    if is_new:
        await tx.flush()
    if chargeback.runs and said.said_at >= chargeback.said_at:
        await deciding.lose(tx, chargeback, said)
    return chargeback.id


async def won(tx: Tx, said: Dispute) -> UUID:
    """The bank gives the money back. Raises ``UnknownCharge``.

    After it was lost somebody has to look: those who paid are not the ones who are paid here.
    """
    top_up = await disputes.lock_top_up(tx, said)
    chargeback = await queries.lock(tx, said.reference)
    if chargeback is None:
        chargeback = await open_round(tx, top_up, None, said)
        await tx.flush()
    if said.said_at < chargeback.said_at:
        return chargeback.id
    if chargeback.runs:
        await deciding.win(tx, chargeback, said)
    elif chargeback.state != "won":
        alerts.raise_alert(
            tx,
            "chargeback_won_after_lost",
            chargeback.provider_reference,
            f"{said.amount_minor} {said.currency} came back for a chargeback that was lost.",
        )
    return chargeback.id
