"""Which tallies there are. Features quote them by name; a store could keep them as columns.

"Capped" counts at most three deals per counterparty: dealing with one friend for ever builds no
record. Cancelling and being refunded are seen from the member's own side only.
"""

from __future__ import annotations

from handsel_ml.contract import FactKind as K
from handsel_ml.tallies import Tally

DEALS_PER_PAIR = 3
SLOW_ANSWER_S = 24 * 3600

TALLIES: tuple[Tally, ...] = (
    Tally(name="joined_s", kinds=(K.MEMBER_JOINED,), measure="known_s", key="member", cap=1),
    Tally(name="verification_steps", kinds=(K.VERIFICATION_PASSED,), key="value", cap=1),
    # money
    Tally(name="funded_minor", kinds=(K.ORDER_FUNDED,), measure="amount"),
    Tally(name="funded_minor_30d", kinds=(K.ORDER_FUNDED,), measure="amount", days=30),
    Tally(name="settled_minor", kinds=(K.ORDER_SETTLED,), measure="amount"),
    Tally(name="settled_minor_365d", kinds=(K.ORDER_SETTLED,), measure="amount", days=365),
    Tally(name="refunded_minor", kinds=(K.ORDER_REFUNDED,), measure="amount"),
    Tally(name="cancelled_minor", kinds=(K.ORDER_CANCELLED_BY_SELF,), measure="amount"),
    Tally(name="other_cancelled_minor", kinds=(K.ORDER_CANCELLED_BY_OTHER,), measure="amount"),
    Tally(name="no_show_minor", kinds=(K.NO_SHOW,), measure="amount"),
    Tally(name="unreturned_minor", kinds=(K.ITEM_UNRETURNED,), measure="amount"),
    Tally(name="buyer_funded", kinds=(K.ORDER_FUNDED,), role="buyer"),
    Tally(name="seller_funded", kinds=(K.ORDER_FUNDED,), role="seller"),
    Tally(name="unfunded", kinds=(K.ORDER_UNFUNDED,)),
    Tally(name="seller_refunded", kinds=(K.ORDER_REFUNDED,), role="seller"),
    Tally(name="seller_refunded_365d", kinds=(K.ORDER_REFUNDED,), role="seller", days=365),
    Tally(name="top_ups", kinds=(K.TOP_UP_SUCCEEDED,)),
    Tally(name="failed_top_ups", kinds=(K.TOP_UP_FAILED,)),
    Tally(name="failed_top_ups_90d", kinds=(K.TOP_UP_FAILED,), days=90),
    Tally(name="chargebacks", kinds=(K.CHARGEBACK,)),
    Tally(name="chargebacks_365d", kinds=(K.CHARGEBACK,), days=365),
    Tally(name="chargebacks_lost", kinds=(K.CHARGEBACK_LOST,)),
    Tally(name="negative_balances", kinds=(K.NEGATIVE_BALANCE,)),
    Tally(name="promises_30d", kinds=(K.PAY_AFTER_PROMISED,), days=30),
    Tally(name="promised_minor_30d", kinds=(K.PAY_AFTER_PROMISED,), measure="amount", days=30),
    Tally(name="paid_after", kinds=(K.PAY_AFTER_PAID,)),
    Tally(name="paid_after_late", kinds=(K.PAY_AFTER_LATE,)),
    Tally(name="paid_after_late_s", kinds=(K.PAY_AFTER_LATE,), measure="value"),
    Tally(name="pay_after_defaults", kinds=(K.PAY_AFTER_DEFAULT,)),
    Tally(name="pay_after_defaults_365d", kinds=(K.PAY_AFTER_DEFAULT,), days=365),
    Tally(name="unreturned", kinds=(K.ITEM_UNRETURNED,)),
    # deals
    Tally(name="settled", kinds=(K.ORDER_SETTLED,)),
    Tally(name="settled_capped", kinds=(K.ORDER_SETTLED,), key="counterparty", cap=DEALS_PER_PAIR),
    Tally(
        name="closed_capped",
        kinds=(K.ORDER_SETTLED, K.ORDER_REFUNDED),
        key="counterparty",
        cap=DEALS_PER_PAIR,
    ),
    Tally(name="settled_months", kinds=(K.ORDER_SETTLED,), key="month", cap=1),
    Tally(name="distinct_counterparties", kinds=(K.ORDER_SETTLED,), key="counterparty", cap=1),
    Tally(
        name="counterparty_squares",
        kinds=(K.ORDER_SETTLED,),
        measure="growth_of_square",
        key="counterparty",
    ),
    Tally(name="refunded", kinds=(K.ORDER_REFUNDED,), role="seller"),
    Tally(name="cancelled", kinds=(K.ORDER_CANCELLED_BY_SELF,)),
    Tally(name="cancelled_90d", kinds=(K.ORDER_CANCELLED_BY_SELF,), days=90),
    Tally(name="declined", kinds=(K.ORDER_DECLINED,)),
    Tally(name="unanswered", kinds=(K.ORDER_EXPIRED_UNANSWERED,)),
    # conduct
    Tally(name="on_time", kinds=(K.DELIVERED_ON_TIME,)),
    Tally(name="late", kinds=(K.DELIVERED_LATE,)),
    Tally(name="late_s", kinds=(K.DELIVERED_LATE, K.ITEM_RETURNED_LATE), measure="value"),
    Tally(name="returned", kinds=(K.ITEM_RETURNED,)),
    Tally(name="returned_late", kinds=(K.ITEM_RETURNED_LATE,)),
    Tally(name="no_shows", kinds=(K.NO_SHOW,)),
    Tally(name="answers", kinds=(K.MESSAGE_ANSWERED,)),
    Tally(name="slow_answers", kinds=(K.MESSAGE_ANSWERED,), least=SLOW_ANSWER_S),
    Tally(name="dispute_fault_365d", kinds=(K.DISPUTE_OPENED_AGAINST,), measure="weight", days=365),
    Tally(name="disputes_lost", kinds=(K.DISPUTE_LOST,)),
    Tally(name="dispute_fault_lost", kinds=(K.DISPUTE_LOST,), measure="weight"),
    Tally(name="reports_upheld", kinds=(K.REPORT_UPHELD,)),
    Tally(name="listings_removed", kinds=(K.LISTING_REMOVED,)),
    Tally(name="weighted_stars", kinds=(K.REVIEW_RECEIVED,), measure="weighted_value"),
    Tally(name="review_weight", kinds=(K.REVIEW_RECEIVED,), measure="weight"),
    Tally(name="review_weight_180d", kinds=(K.REVIEW_RECEIVED,), measure="weight", days=180),
    Tally(
        name="low_review_weight_180d",
        kinds=(K.REVIEW_RECEIVED,),
        measure="weight",
        days=180,
        most=2,
    ),
)
