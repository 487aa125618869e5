"""The movements of our balance at Stripe, as lines of the port's report.

A line's reference is what our rows know: the PaymentIntent of a charge, the refund, the transfer of
a payout and of its return, the dispute. Amounts are in the currency that Stripe settles in: units
that it converts cannot be compared, so every unit of ours must be one of the account's own.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from handsel.money.payments.gateway import LineKind, ReportLine
from handsel.money.payments.stripe import read
from handsel.money.payments.stripe.amounts import from_stripe
from handsel.money.payments.stripe.client import asking

_WITHIN_S = 120
_KINDS: Mapping[str, LineKind] = MappingProxyType({
    "charge": "charge",
    "payment": "charge",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund_failed",
    "payment_failure_refund": "refund_failed",
    "transfer": "payout",
    "transfer_refund": "payout_return",
    "transfer_cancel": "payout_return",
    "transfer_failure": "payout_return",
    "payout": "bank_payout",
    "payout_cancel": "bank_payout",
    "payout_failure": "bank_payout",
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "fee",
})  # fmt: skip


async def lines(v1: Any, day: date) -> list[ReportLine]:
    """Every line of a day (UTC), oldest first."""
    begin = datetime.combine(day, time(), UTC)
    within = {
        "gte": int(begin.timestamp()),
        "lt": int((begin + timedelta(days=1)).timestamp()),
    }
    query = {"created": within, "limit": 100, "expand": ["data.source"]}
    async with asking(_WITHIN_S):
        page = await v1.balance_transactions.list_async(query)
        found = [_line(line.to_dict()) async for line in page.auto_paging_iter()]
    return found[::-1]


def _line(line: read.Fields) -> ReportLine:
    currency = line["currency"].upper()
    return ReportLine(
        id=line["id"],
        kind=_kind(line),
        reference=_reference(line),
        amount_minor=_signed(line["amount"], currency),
        fee_minor=_signed(line["fee"], currency),
        currency=currency,
        at=datetime.fromtimestamp(line["created"], UTC),
    )


def _kind(line: read.Fields) -> LineKind:
    if _source(line).get("object") == "dispute":
        return "dispute" if line["amount"] < 0 else "dispute_return"
    return _KINDS.get(line["type"], "other")


def _reference(line: read.Fields) -> str:
    source = _source(line)
    of = {"charge": "payment_intent", "transfer_reversal": "transfer"}
    known = read.id_of(source.get(of.get(source.get("object", ""), "id")))
    return known or read.id_of(line.get("source")) or line["id"]


def _source(line: read.Fields) -> read.Fields:
    source = line.get("source")
    return source if isinstance(source, Mapping) else {}


def _signed(amount: int, currency: str) -> int:
    return from_stripe(amount, currency) if amount >= 0 else -from_stripe(-amount, currency)
