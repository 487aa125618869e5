"""The queue of alarms, for staff: take one in hand, close it with what became of it."""

from uuid import UUID

from handsel.deals.safety.errors import AlarmElsewhere
from handsel.foundation import audit
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.money.payments import alerts

ALERT = "silent_alarm"


async def tell_house(tx: Tx, alarm_id: UUID, order_id: UUID) -> None:
    """Raise the alert that somebody of the house must look."""
    subject = encode("alm", alarm_id)
    text = f"A silent alarm was raised in {encode('ord', order_id)}. Act now; tell neither party."
    await alerts.record(tx, ALERT, subject, text)


async def take(tx: Tx, staff_id: UUID, alarm_id: UUID) -> None:
    """Take an open alarm in hand. Raises ``AlarmElsewhere``."""
    tag = await tx.execute(
        "UPDATE deals.alarms SET state = 'taken', taken_by = $2, taken_at = $3"
        " WHERE id = $1 AND state = 'open'",
        alarm_id,
        staff_id,
        tx.now,
    )
    if tag != "UPDATE 1":
        raise AlarmElsewhere
    audit.record(tx, "safety", "take_alarm", {}, subject_id=alarm_id, actor_id=staff_id)


async def close(tx: Tx, staff_id: UUID, alarm_id: UUID, outcome: str) -> None:
    """Close an alarm that one has in hand, and its alert. Raises ``AlarmElsewhere``."""
    tag = await tx.execute(
        "UPDATE deals.alarms SET state = 'closed', closed_by = $2, closed_at = $3, outcome = $4"
        " WHERE id = $1 AND state = 'taken' AND taken_by = $2",
        alarm_id,
        staff_id,
        tx.now,
        outcome,
    )
    if tag != "UPDATE 1":
        raise AlarmElsewhere
    await alerts.close(tx, ALERT, encode("alm", alarm_id))
    body = {"outcome": outcome}
    audit.record(tx, "safety", "close_alarm", body, subject_id=alarm_id, actor_id=staff_id)
