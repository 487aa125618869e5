"""From events to notices: who is told what, in which words."""

from datetime import datetime
from typing import Any
from uuid import UUID

from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import display
from handsel.foundation.db.uow import Tx
from handsel.foundation.outbox import Event
from handsel.people.members import service as members
from handsel.reach.notices import service as notices
from handsel.reach.notices.texts import Kind

#: The state an order has come to -> (kind of notice, who is told). A move tells the other side;
#: what the system did is told to both.
_TOLD: dict[str, tuple[Kind, tuple[str, ...]]] = {
    "funded": ("order_funded", ("provider",)),
    "accepted": ("order_accepted", ("customer",)),
    "declined": ("order_declined", ("customer",)),
    "expired": ("order_expired", ("customer", "provider")),
    "revoked": ("order_revoked", ("provider",)),
    "cancelled": ("order_cancelled", ("customer", "provider")),
    "delivered": ("order_delivered", ("customer",)),
    "objected": ("order_objected", ("provider",)),
    "completed": ("order_approved", ("provider",)),
    "refunded": ("order_refunded", ("customer",)),
    "refund_part": ("order_part_refunded", ("customer",)),
    "shared": ("order_shared", ("customer", "provider")),
    "settled": ("order_settled", ("provider",)),
    "closed": ("order_settled", ("provider",)),
    "charged_back": ("order_charged_back", ("customer", "provider")),
    "charge_part": ("order_charged_part", ("provider",)),
}
#: Where the words of a state do not fit the way that led there.
_OTHERWISE: dict[tuple[str, str], Kind] = {
    ("shared", "cancel_late"): "order_cancelled",
    ("shared", "accept_split"): "order_moved",
    ("shared", "uphold_absence"): "order_moved",
    ("shared", "rule"): "order_moved",
    ("shared", "rule_on_sale"): "order_moved",
    ("accepted", "accept_change"): "order_moved",
    ("accepted", "go_on"): "order_moved",
    ("accepted", "take_up"): "order_moved",
    ("objected", "object_still"): "order_moved",
    ("completed", "drop_sale"): "order_moved",
    # Accepted long before it was paid for.
    ("accepted", "fund"): "order_moved",
    ("accepted", "fund_agreed"): "order_moved",
    ("accepted", "fund_by_mandate"): "order_moved",
}
#: Nothing is accepted, or nothing is paid: what these say is what they promise.
_BY_PROMISE = {
    "instant_transfer", "negotiated", "pay_after", "pay_here", "rental", "series", "time_credit",
}  # fmt: skip
#: What nobody needs to be told: they did it themselves, or nothing came of it. But a part of an
#: agreement was counted on.
_UNTOLD = {"payment_expired"}
_ACTIONS = {
    "funded": "Accept or decline",
    "accepted": "Deliver",
    "delivered": "Approve or object",
    "objected": "Agree or give back",
    "reserved": "Accept or decline",
    "handed_over": "Bring it back",
    "late": "Bring it back",
    "return_declared": "Say whether it is back",
    "in_inspection": "Look at what came back",
    "damage_claimed": "Accept or contest the claim",
    "customer_absent": "Contest it if you came",
    "pending_payment": "Fund the order",
}


async def of_order(tx: Tx, event: Event) -> None:
    """Tell those concerned that an order has moved."""
    body = event.payload
    came_to = event.topic.removeprefix("order.")
    if came_to in _UNTOLD and body["parent_id"] is None:
        return
    # What has no words of its own says what the order now promises.
    kind, roles = _TOLD.get(came_to, ("order_moved", ("customer", "provider")))
    roles = tuple(body.get("tells") or roles)
    kind = _OTHERWISE.get((came_to, body["transition"]), kind)
    if body["process"] in _BY_PROMISE and came_to not in ("charged_back", "charge_part"):
        kind = "order_moved"
    params = await params_of(tx, body)
    ref = encode("ord", UUID(body["order_id"]))
    for role in roles:
        if role == body["by"]:
            continue
        member = UUID(body[f"{role}_id"])
        await notices.deliver(tx, member, kind, ref, params, dedupe_key=str(event.id))


async def of_deadline(tx: Tx, event: Event) -> None:
    """Tell whose move it is that time runs out."""
    body = event.payload
    params = await params_of(tx, body) | {
        "action": _ACTIONS.get(body["state"], "Act"),
        "due_at": _time(body["deadline"]),
    }
    ref = encode("ord", UUID(body["order_id"]))
    member = UUID(body["member_id"])
    await notices.deliver(tx, member, "deadline_near", ref, params, dedupe_key=str(event.id))


async def of_message(tx: Tx, event: Event) -> None:
    """Tell the recipient of a message. A card is no message: what it stands for is told itself."""
    body = event.payload
    if body["kind"] == "card":
        return
    sender, recipient = UUID(body["sender_id"]), UUID(body["recipient_id"])
    people = await members.by_ids(tx.conn, [sender])
    ref = encode("cnv", UUID(body["conversation_id"]))
    params = {"sender": people[sender].handle}
    await notices.deliver(tx, recipient, "message_received", ref, params, dedupe_key=str(event.id))


async def params_of(tx: Tx, body: dict[str, Any]) -> dict[str, str]:
    """Every name that an order's texts may use."""
    customer, provider = UUID(body["customer_id"]), UUID(body["provider_id"])
    people = await members.by_ids(tx.conn, [customer, provider])
    deadline = _time(body["deadline"]) if body["deadline"] else ""
    names = {
        "customer": people[customer].handle,
        "provider": people[provider].handle,
        "system": "handsel",
    }
    # What a text calls the amount: what came to the seller, what went back, else the price.
    moved = {
        "settle": "net_minor",
        "charge_part": "net_minor",
        "settle_share": "net_minor",
        "cancel": "refunded_minor",
        "cancel_late": "refunded_minor",
        "refund_part": "refunded_minor",
        "withdraw": "refunded_minor",
        "auto_cancel": "refunded_minor",
        "uphold_no_show": "refunded_minor",
        "drop_changes": "refunded_minor",
        "undecided": "refunded_minor",
    }.get(body["transition"])
    amount = body[moved or "amount_minor"]
    return {
        "title": body["title"],
        "promise": body["promise"],
        "buyer": names["customer"],
        "seller": names["provider"],
        "by": names[body["by"]],
        "approval": (
            f"{names['customer']} has approved the work."
            if body["by"] == "customer"
            else f"{names['customer']} has not objected in time, so the work counts as approved."
        ),
        "amount": display(amount, body["currency"]),
        "accept_by": deadline,
        "approve_by": deadline,
        "deadline": deadline,
    }


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
