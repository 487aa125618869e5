"""Orders that are opened with a person and not with a listing: who it is, and what is frozen."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from handsel.deals.orders.errors import WithOneself
from handsel.deals.orders.schemas import Cancellation, Terms
from handsel.deals.process.definition import Process
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.money.escrow.fees import Fee
from handsel.people.members import service as members

_ID_LENGTH = len("mem_") + 32
#: What is no sale costs nothing.
NO_FEE = Fee(amount_minor=0, fund_share_minor=0, rate_bps=0, reason="no_sale", table_version="none")


class Party(NamedTuple):
    """One side of an order."""

    id: UUID
    handle: str


async def other(tx: Tx, principal: Principal, text: str) -> Party:
    """Somebody else by handle or id (``mem_…``). Raises ``NotFound``, ``WithOneself``."""
    if text.startswith("mem_") and len(text) == _ID_LENGTH:
        member_id = decode("mem", text)
        found = (await members.by_ids(tx.conn, [member_id])).get(member_id)
        if found is None:
            raise NotFound("nobody here has this id")
    else:
        found = await members.find(tx, text)
    if found.id == principal.member_id:
        raise WithOneself
    return Party(found.id, found.handle)


def freeze(
    process: Process,
    customer: Principal,
    provider: Party,
    price: Money,
    *,
    title: str,
    category: str,
    due_at: datetime,
    note: str,
    fee: Fee = NO_FEE,
    listing_id: str | None = None,
    inspection: timedelta = timedelta(0),
    durations: dict[str, timedelta] | None = None,
    relation: str | None = None,
) -> Terms:
    """The terms of an order between two people: one price, nothing to pay for cancelling."""
    return Terms(
        listing_id=listing_id,
        title=title,
        category=category,
        unit="whole",
        price=price,
        fee=fee,
        customer_id=encode("mem", customer.member_id),
        customer=customer.handle,
        provider_id=encode("mem", provider.id),
        provider=provider.handle,
        starts_at=None,
        due_at=due_at,
        process=f"{process.name}@{process.version}",
        inspection_period_s=int(inspection.total_seconds()),
        cancellation=Cancellation(free_until_s=0, late_share_bps=0),
        note=note,
        durations={name: int(d.total_seconds()) for name, d in (durations or {}).items()},
        relation=relation,
    )
