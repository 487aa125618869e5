"""Which jobs follow from which events: the one place to look."""

from handsel.deals.orders.registry import processes
from handsel.foundation.outbox import Subscriptions

#: Where an order has come to, and the moves that lead nowhere else.
_ORDER_MOVES = sorted(
    {t.name if t.stays else t.to for p in processes().values() for t in p.transitions}
)

SUBSCRIPTIONS: Subscriptions = {
    **{f"order.{move}": ("notices.order", "credit.order") for move in _ORDER_MOVES},
    "order.funded": ("notices.order", "credit.order", "messaging.card"),
    "order.reserved": ("notices.order", "credit.order", "messaging.card"),
    "order.settled": (
        "trust.settled",
        "notices.order",
        "credit.order",
        "search.seller",
        "debts.collect",
    ),
    "order.closed": ("notices.order", "credit.order", "debts.collect"),
    "order.quote_requested": ("notices.order",),
    "order.proposed": ("notices.order",),
    # The date is in an event of its own.
    "order.skip": (),
    "order.leave_out": (),
    "series.date_left_out": ("notices.left_out", "agreements.skipped"),
    "mandate.refused": ("notices.mandate",),
    "order.winding_down": ("notices.order", "agreements.stopped"),
    "child.ended": ("agreements.child_ended",),
    "order.deadline_near": ("notices.deadline",),
    # Where an order's money goes while a dispute about it runs, if not by the dispute's end.
    **{
        f"order.{move}": ("notices.order", "credit.order", "disputes.overtaken")
        for move in ("charged_back", "charge_part", "shared", "cancelled")
    },
    "review.written": ("notices.review",),
    "review.published": ("notices.review_shown", "credit.review", "search.reviewed"),
    "review.replied": ("notices.review_reply",),
    "arrival.noted": ("notices.arrival",),
    "order_share.made": ("notices.shared_with",),
    "alarm.raised": ("alerts.alarm",),
    "message.sent": ("notices.message", "credit.message"),
    "member.joined": ("credit.member",),
    "member.verified": ("credit.member", "search.seller"),
    "top_up.requested": ("payments.charge",),
    "top_up.succeeded": ("credit.top_up",),
    "top_up.failed": ("credit.top_up",),
    "top_up.due": ("payments.charge_again",),
    "provider.event": ("payments.provider_event",),
    "alert.raised": ("alerts.record",),
    "withdrawal.requested": ("payments.pay_out",),
    "withdrawal.due": ("payments.pay_out_again",),
    "withdrawal.paid": ("notices.wallet",),
    "withdrawal.returned": ("notices.wallet",),
    "withdrawal.stopped": ("notices.wallet",),
    "withdrawal.late": ("notices.wallet",),
    "card_refund.requested": ("payments.refund_card",),
    "card_refund.due": ("payments.refund_card_again",),
    "card_refund.failed": ("notices.wallet",),
    "card_refund.late": ("notices.wallet",),
    "payout_method.added": ("notices.payout_method",),
    "sale.kept_back": ("notices.sale_kept",),
    "dispute.opened": ("notices.dispute", "messaging.dispute_card"),
    "dispute.moved": ("notices.dispute",),
    "dispute.deadline_near": ("notices.dispute",),
    "dispute.resolved": ("credit.dispute",),
    "chargeback.opened": (
        "chargebacks.attach",
        "orders.rest",
        "notices.chargeback",
        "credit.chargeback",
    ),
    "chargeback.evidence_ready": ("chargebacks.submit",),
    "chargeback.given_up": ("chargebacks.give_up",),
    "chargeback.won": ("orders.wake", "notices.chargeback"),
    "chargeback.lost": ("orders.charged_back", "notices.chargeback", "credit.chargeback"),
    "debt.written_off": ("credit.written_off",),
    "lock.requested": ("members.lock",),
    "member.locked": ("notices.account",),
    "member.secured": ("notices.account",),
    "claim.filed": ("orders.rest", "notices.claim"),
    "claim.extended": ("notices.claim",),
    "claim.upheld": ("orders.wake", "notices.claim"),
    "claim.denied": ("orders.wake", "notices.claim"),
    "claim.withdrawn": ("orders.wake", "notices.claim"),
    "appeal.filed": ("notices.appeal",),
    "appeal.upheld": ("credit.appeal", "notices.appeal"),
    "appeal.partly": ("credit.appeal", "notices.appeal"),
    "appeal.denied": ("notices.appeal",),
    "listing.changed": ("search.listing",),
    "listings.imported": ("search.imported",),
}
