"""Which jobs follow from which events: the one place to look."""

from handsel.foundation.outbox import Subscriptions

_ORDER_STATES = (
    "funded", "accepted", "declined", "expired", "revoked", "cancelled", "delivered", "objected",
    "completed", "refunded", "shared", "settled", "closed",
)  # fmt: skip

SUBSCRIPTIONS: Subscriptions = {
    **{f"order.{state}": ("notices.order", "credit.order") for state in _ORDER_STATES},
    "order.funded": ("notices.order", "credit.order", "messaging.card"),
    "order.settled": ("trust.settled", "notices.order", "credit.order", "search.seller"),
    "order.refund_part": ("notices.order",),
    "order.deadline_near": ("notices.deadline",),
    "review.written": ("notices.review", "credit.review", "search.reviewed"),
    "message.sent": ("notices.message",),
    "member.joined": ("credit.member",),
    "member.verified": ("credit.member", "search.seller"),
    "top_up.requested": ("payments.charge",),
    "top_up.succeeded": ("credit.top_up",),
    "top_up.failed": ("credit.top_up",),
    "withdrawal.requested": ("payments.pay_out",),
    "listing.changed": ("search.listing",),
    "listings.imported": ("search.imported",),
}
