"""What somebody of the house has to look at: raised once, closed when it is over."""

from uuid import UUID

from handsel.foundation.db.uow import Tx

_NOBODY = UUID(int=0)


def raise_alert(tx: Tx, kind: str, subject: str, text: str) -> None:
    """Have an alert recorded, in this transaction's wake: it is told even if nobody is looking."""
    tx.emit("alert.raised", _NOBODY, {"kind": kind, "subject": subject, "text": text})


async def record(tx: Tx, kind: str, subject: str, text: str) -> bool:
    """Write an alert down; False when the same one is open already."""
    tag = await tx.execute(
        "INSERT INTO money.alerts (kind, subject, text, raised_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING",
        kind,
        subject,
        text,
        tx.now,
    )
    return tag == "INSERT 0 1"


async def close(tx: Tx, kind: str, subject: str) -> None:
    """It is over, whoever or whatever has mended it."""
    await tx.execute(
        "UPDATE money.alerts SET closed_at = $3 WHERE kind = $1 AND subject = $2"
        " AND closed_at IS NULL",
        kind,
        subject,
        tx.now,
    )
