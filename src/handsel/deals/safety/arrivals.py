"""Coming, going, and the alarm that looks like it."""

from uuid import UUID

from handsel.deals.orders.registry import processes
from handsel.deals.safety import policy
from handsel.deals.safety.errors import AppointmentOver, NotAppointedYet
from handsel.deals.safety.schemas import Arrival, CheckIns, Noted
from handsel.deals.safety.sharing import check_ins_of, own_order
from handsel.foundation import audit
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal


async def check_in(tx: Tx, principal: Principal, order_id: UUID, kind: Arrival) -> Noted:
    """Note that one has arrived or left; the first time counts.

    Raises ``NotAppointedYet``, ``AppointmentOver`` (409), ``NotFound``.
    """
    order = await own_order(tx.conn, principal, order_id)
    if not policy.is_appointed(order, processes()[order.process, order.process_version]):
        raise NotAppointedYet
    if policy.ends_at(order) <= tx.now:
        raise AppointmentOver
    tag = await tx.execute(
        "INSERT INTO deals.arrivals (order_id, member_id, kind, at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        order_id,
        principal.member_id,
        kind,
        tx.now,
    )
    if tag == "INSERT 0 1":
        body = {
            "order_id": order.id,
            "customer_id": order.customer_id,
            "provider_id": order.provider_id,
            "member_id": principal.member_id,
            "kind": kind,
            "title": order.terms.title,
        }
        tx.emit("arrival.noted", order.id, body)
    noted_at = await tx.fetchval(
        "SELECT at FROM deals.arrivals WHERE order_id = $1 AND member_id = $2 AND kind = $3",
        order_id,
        principal.member_id,
        kind,
    )
    return Noted(order_id=encode("ord", order_id), noted_at=noted_at)


async def raise_alarm(tx: Tx, principal: Principal, order_id: UUID) -> Noted:
    """Put the order into the queue of alarms, unless it is there. In whatever state and at
    whatever time: who is in danger is not refused. Raises ``NotFound`` for who is no party."""
    order = await own_order(tx.conn, principal, order_id)
    alarm_id = await tx.fetchval(
        "INSERT INTO deals.alarms (order_id, member_id, raised_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (order_id, member_id) WHERE state <> 'closed' DO NOTHING RETURNING id",
        order.id,
        principal.member_id,
        tx.now,
    )
    if alarm_id is not None:
        body = {"alarm_id": alarm_id, "order_id": order.id, "member_id": principal.member_id}
        tx.emit("alarm.raised", alarm_id, body)
        audit.record(
            tx, "safety", "raise_alarm", body, subject_id=alarm_id, actor_id=principal.member_id
        )
    return Noted(order_id=encode("ord", order_id), noted_at=tx.now)


async def check_ins(conn: Connection, principal: Principal, order_id: UUID) -> CheckIns:
    """Who came and went, for both parties."""
    order = await own_order(conn, principal, order_id)
    return CheckIns(items=await check_ins_of(conn, order))
