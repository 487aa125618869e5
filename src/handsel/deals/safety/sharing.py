"""Sharing an appointment with somebody one trusts."""

from collections.abc import Mapping
from uuid import UUID

from handsel.deals.orders import queries as orders
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import processes
from handsel.deals.orders.timing import timers_of
from handsel.deals.safety import policy, queries
from handsel.deals.safety.errors import AppointmentOver, ContactIsParty, TooManyShares
from handsel.deals.safety.queries import Share
from handsel.deals.safety.schemas import CheckIn, SharedOrder, ShareInput, ShareList, ShareView
from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import digest, encode, new_secret
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import service as members


async def share(
    tx: Tx, principal: Principal, order_id: UUID, data: ShareInput
) -> Answer[ShareView]:
    """Give out a link, and tell the contact where one is named.

    Raises ``AppointmentOver``, ``TooManyShares`` (409), ``ContactIsParty`` (422), ``NotFound``.
    """
    # One's own shares in line, without touching the order: its row says nothing of them.
    me = str(principal.member_id)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 76))", me)
    order = await own_order(tx.conn, principal, order_id)
    if policy.ends_at(order) <= tx.now:
        raise AppointmentOver
    made = await queries.shares(tx.conn, order.id, principal.member_id)
    if sum(known.revoked_at is None for known in made) >= policy.MOST_SHARES:
        raise TooManyShares
    contact = await members.find(tx, data.contact) if data.contact else None
    if contact is not None and order.role_of(contact.id) is not None:
        raise ContactIsParty
    secret = new_secret()
    share_id: UUID = await tx.fetchval(
        "INSERT INTO deals.order_shares (order_id, member_id, contact_id, secret_sha256,"
        " created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        order.id,
        principal.member_id,
        contact.id if contact else None,
        digest(secret),
        tx.now,
    )
    body = {"share_id": share_id, "contact_id": contact.id if contact else None}
    _record(tx, "share_order", principal, order.id, body)
    if contact is not None:
        tx.emit("order_share.made", share_id, body | _event(order, principal))
    share = Share(share_id, order.id, principal.member_id, body["contact_id"], tx.now, None)
    view = _view(share, order, contact.handle if contact else None, secret)
    return Answer(view, location=f"/v1/orders/{view.order_id}/shares/{view.id}")


async def revoke(tx: Tx, principal: Principal, order_id: UUID, share_id: UUID) -> None:
    """The link shows nothing from now on; again does nothing. Raises ``NotFound``."""
    was = await tx.fetchval(
        "UPDATE deals.order_shares SET revoked_at = coalesce(revoked_at, $4)"
        " WHERE id = $1 AND order_id = $2 AND member_id = $3 RETURNING revoked_at",
        share_id,
        order_id,
        principal.member_id,
        tx.now,
    )
    if was is None:
        raise NotFound("you share nothing under this id")
    if was == tx.now:
        _record(tx, "unshare_order", principal, order_id, {"share_id": share_id})


async def own_shares(conn: Connection, principal: Principal, order_id: UUID) -> ShareList:
    """Whom one has shared an order with; the other party's shares are theirs alone."""
    order = await own_order(conn, principal, order_id)
    found = await queries.shares(conn, order_id, principal.member_id)
    people = await members.by_ids(conn, [s.contact_id for s in found if s.contact_id])
    return ShareList(
        items=[
            _view(s, order, people[s.contact_id].handle if s.contact_id else None) for s in found
        ]
    )


async def seen(conn: Connection, secret: str, reader: Principal | None) -> SharedOrder:
    """What a link shows, or for the named contact the share's id. Raises ``NotFound``."""
    share = await queries.open_share(conn, secret, reader.member_id if reader else None)
    order = await orders.load(conn, share.order_id)
    ends_at = policy.ends_at(order)
    if ends_at <= await queries.business_time(conn):
        raise NotFound("nothing is shared here, or no longer")
    process = processes()[order.process, order.process_version]
    names = {order.customer_id: order.terms.customer, order.provider_id: order.terms.provider}
    return SharedOrder(
        title=order.terms.title,
        shared_by=names[share.member_id],
        customer=order.terms.customer,
        provider=order.terms.provider,
        starts_at=order.terms.starts_at,
        due_at=order.due_at,
        state=order.state,
        promise=policy.promise_of(order, process, timers_of(order, process)),
        check_ins=await check_ins_of(conn, order),
        expires_at=ends_at,
    )


async def own_order(conn: Connection, principal: Principal, order_id: UUID) -> Order:
    """An order that one is a party of, as it is; not locked. Raises ``NotFound``."""
    order = await orders.load(conn, order_id)
    if order.role_of(principal.member_id) is None:
        raise NotFound("there is no such order")
    return order


async def check_ins_of(conn: Connection, order: Order) -> list[CheckIn]:
    """Who came and went, by handle."""
    names = {order.customer_id: order.terms.customer, order.provider_id: order.terms.provider}
    return [
        CheckIn(who=names[said.member_id], kind=said.kind, at=said.at)  # type: ignore[arg-type]
        for said in await queries.arrivals(conn, order.id)
    ]


def _view(share: Share, order: Order, contact: str | None, secret: str | None = None) -> ShareView:
    return ShareView(
        id=encode("shr", share.id),
        order_id=encode("ord", share.order_id),
        contact=contact,
        created_at=share.created_at,
        expires_at=policy.ends_at(order),
        revoked_at=share.revoked_at,
        link=f"/v1/shared-orders/{secret}" if secret else None,
    )


def _event(order: Order, principal: Principal) -> dict[str, object]:
    return {
        "order_id": order.id,
        "member_id": principal.member_id,
        "title": order.terms.title,
        "due_at": order.due_at,
    }


def _record(
    tx: Tx, action: str, who: Principal, order_id: UUID, body: Mapping[str, object]
) -> None:
    audit.record(tx, "safety", action, body, subject_id=order_id, actor_id=who.member_id)
