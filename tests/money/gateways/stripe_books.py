"""A small Stripe: what it remembers, and what happens there. Spoken to by ``stripe_double``.

It knows what the gateway asks for and nothing else, from Stripe's public API reference: payment
intents, refunds, transfers and their reversals, payouts of connected accounts, disputes, balance
transactions. Tokens say what becomes of them; what happens later is a call of the test's.
"""

import itertools
import json
import time
from typing import Any

import stripe

Fields = dict[str, Any]
SECRET = "whsec_of_the_double"
DECLINED = {"pm_declined": "generic_decline", "pm_no_funds": "insufficient_funds"}
WAITS = {"pm_3ds": "requires_action", "pm_late": "processing"}


class Refused(Exception):
    """An answer that is an error: status, type, code, and what else it says."""

    def __init__(self, status: int, code: str, kind: str = "invalid_request_error", **more: Any):
        super().__init__(code)
        self.status = status
        self.error: Fields = {"type": kind, "code": code, "message": code, **more}


class StripeBooks:
    """One platform account, its connected accounts, and the events it has to tell."""

    _ids = itertools.count(1)  # of all of them: a database may meet several

    def __init__(self) -> None:
        self.objects: dict[str, Fields] = {}
        self.lines: list[Fields] = []
        self.connected: dict[tuple[str, str], int] = {}
        self.ahead = 0
        self.takes_no_evidence = False
        self._events: list[Fields] = []

    @property
    def now(self) -> int:
        return int(time.time()) + self.ahead

    def balance(self, currency: str = "eur") -> int:
        return sum(x["amount"] - x["fee"] for x in self.lines if x["currency"] == currency)

    def of(self, kind: str) -> list[Fields]:
        """Every object of a kind, newest first."""
        return [x for x in reversed(self.objects.values()) if x["object"] == kind]

    def get(self, kind: str, key: str) -> Fields:
        found = self.objects.get(key)
        if found is None or found["object"] != kind:
            raise Refused(404, "resource_missing")
        return found

    # -- asked by the gateway ----------------------------------------------------------------

    def payment_intent(self, params: Fields) -> Fields:
        token = params["payment_method"]
        if not token.startswith("pm_") or token == "pm_unknown":
            raise Refused(400, "resource_missing")
        intent = self._new("payment_intent", "pi", params, token=token, last_payment_error=None)
        intent |= {"status": WAITS.get(token, "succeeded"), "next_action": None}
        if token in DECLINED:
            self._fail(intent, DECLINED[token])
            error = {"decline_code": DECLINED[token], "payment_intent": intent}
            raise Refused(402, "card_declined", "card_error", **error)
        if token == "pm_3ds":
            intent["next_action"] = {"type": "use_stripe_sdk"}
            if "return_url" in params:
                url = f"https://hooks.stripe.test/3ds/{intent['id']}"
                intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}
        if intent["status"] == "succeeded":
            self._charge(intent)
        return intent

    def cancel_intent(self, key: str) -> Fields:
        intent = self.get("payment_intent", key)
        if intent["status"] in ("succeeded", "canceled"):
            raise Refused(400, "payment_intent_unexpected_state")
        intent |= {"status": "canceled", "cancellation_reason": None}
        self._tell("payment_intent.canceled", intent)
        return intent

    def refund(self, params: Fields) -> Fields:
        intent = self.get("payment_intent", params["payment_intent"])
        amount = int(params["amount"])
        back = sum(x["amount"] for x in self.of("refund") if x["payment_intent"] == intent["id"])
        if intent["status"] != "succeeded" or back + amount > intent["amount"]:
            raise Refused(400, "charge_already_refunded")
        if self.balance(intent["currency"]) < amount:
            raise Refused(400, "balance_insufficient")
        refund = self._new("refund", "re", {**params, "currency": intent["currency"]})
        pending = intent["token"] == "pm_refund_later"
        refund |= {"status": "pending" if pending else "succeeded", "failure_reason": None}
        self._line("refund", refund, -amount)
        self._tell("refund.created", refund)
        return refund

    def transfer(self, params: Fields) -> Fields:
        if self.balance(params["currency"]) < int(params["amount"]):
            raise Refused(400, "balance_insufficient")
        transfer = self._new("transfer", "tr", params, reversed=False)
        self._line("transfer", transfer, -transfer["amount"])
        account = transfer["destination"], transfer["currency"]
        self.connected[account] = self.connected.get(account, 0) + transfer["amount"]
        return transfer

    def reversal(self, key: str) -> Fields:
        transfer = self.get("transfer", key)
        account = transfer["destination"], transfer["currency"]
        if transfer["reversed"]:
            raise Refused(400, "transfer_already_reversed")
        if self.connected[account] < transfer["amount"]:
            raise Refused(400, "balance_insufficient")
        self.connected[account] -= transfer["amount"]
        transfer["reversed"] = True
        wanted = {k: transfer[k] for k in ("amount", "currency")}
        reversal = self._new("transfer_reversal", "trr", wanted, transfer=transfer["id"])
        self._line("transfer_refund", reversal, transfer["amount"])
        return reversal

    def payout(self, params: Fields, account: str) -> Fields:
        if account == "acct_no_bank":
            raise Refused(400, "account_closed")
        if self.connected.get((account, params["currency"]), 0) < int(params["amount"]):
            raise Refused(400, "balance_insufficient")
        payout = self._new("payout", "po", params, account=account, failure_code=None)
        payout["status"] = "pending"
        self.connected[account, payout["currency"]] -= payout["amount"]
        return payout

    def answer_dispute(self, key: str, params: Fields) -> Fields:
        dispute = self.get("dispute", key)
        if dispute["status"] not in ("needs_response", "warning_needs_response"):
            raise Refused(400, "dispute_already_submitted")
        if len(params["evidence"]["uncategorized_text"]) > 20_000 or self.takes_no_evidence:
            raise Refused(400, "parameter_invalid")
        dispute |= {"evidence": params["evidence"], "status": "under_review"}
        return dispute

    def close_dispute(self, key: str) -> Fields:
        if self.get("dispute", key)["status"] != "needs_response":
            raise Refused(400, "dispute_not_open")
        return self.decide(key, "lost")

    # -- what happens there by itself --------------------------------------------------------

    def goes_through(self, key: str) -> None:
        """A charge that waited for its payer or for its bank succeeds."""
        intent = self.get("payment_intent", key)
        intent |= {"status": "succeeded", "next_action": None}
        self._charge(intent)

    def fails(self, key: str, code: str = "payment_intent_authentication_failure") -> None:
        intent = self.get("payment_intent", key)
        intent["next_action"] = None
        self._fail(intent, code)

    def refund_fails(self, key: str) -> None:
        refund = self.get("refund", key)
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        self._line("refund_failure", refund, refund["amount"])
        self._tell("refund.failed", refund)

    def refund_arrives(self, key: str) -> None:
        refund = self.get("refund", key)
        refund["status"] = "succeeded"
        self._tell("refund.updated", refund)

    def payout_arrives(self, key: str) -> None:
        payout = self.get("payout", key)
        payout["status"] = "paid"
        self._tell("payout.paid", payout, account=payout["account"])

    def payout_fails(self, key: str) -> None:
        payout = self.get("payout", key)
        payout |= {"status": "failed", "failure_code": "account_closed"}
        self.connected[payout["account"], payout["currency"]] += payout["amount"]
        self._tell("payout.failed", payout, account=payout["account"])

    def disputes(self, intent_id: str, amount: int | None = None, *, inquiry: bool = False) -> str:
        """The payer's bank takes a charge back, or only asks."""
        intent = self.get("payment_intent", intent_id)
        wanted = {"amount": amount or intent["amount"], "currency": intent["currency"]}
        dispute = self._new("dispute", "dp", wanted, payment_intent=intent_id, reason="fraudulent")
        due = {"due_by": self.now + 7 * 86_400}
        dispute |= {"balance_transactions": [], "evidence_details": due, "status": "needs_response"}
        if inquiry:
            dispute["status"] = "warning_needs_response"
            self._tell("charge.dispute.created", dispute)
        else:
            self._withdraw(dispute)
            self._tell("charge.dispute.created", dispute)
            self._tell("charge.dispute.funds_withdrawn", dispute)
        return str(dispute["id"])

    def escalates(self, key: str) -> None:
        """An inquiry becomes a dispute: its money is taken now."""
        dispute = self.get("dispute", key)
        dispute["status"] = "needs_response"
        self._withdraw(dispute)
        self._tell("charge.dispute.funds_withdrawn", dispute)

    def decide(self, key: str, verdict: str) -> Fields:
        dispute = self.get("dispute", key)
        dispute["status"] = verdict
        if verdict == "won":
            line = self._line("adjustment", dispute, dispute["amount"])
            dispute["balance_transactions"].append(line)
            self._tell("charge.dispute.funds_reinstated", dispute)
        self._tell("charge.dispute.closed", dispute)
        return dispute

    def bank_payout(self, amount: int) -> None:
        """The platform's own money goes to its own bank."""
        payout = self._new("payout", "po", {"amount": amount, "currency": "eur"}, account=None)
        payout["status"] = "paid"
        self._line("payout", payout, -amount)
        self._tell("payout.paid", payout)

    def told(self) -> list[tuple[bytes, dict[str, str]]]:
        """The webhooks that wait to be delivered, signed now."""
        waiting, self._events = self._events, []
        return [self.signed(event) for event in waiting]

    def signed(self, event: Fields, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        raw = json.dumps(event, indent=2).encode()
        return raw, self.signed_raw(raw, self.now if at is None else at)

    @staticmethod
    def signed_raw(raw: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
        text = raw.decode("latin-1")
        header = stripe.WebhookSignature.generate_signature_header(text, secret, at)
        return {"stripe-signature": header}

    # -- how it keeps them -------------------------------------------------------------------

    def _new(self, kind: str, prefix: str, params: Fields, **more: Any) -> Fields:
        found: Fields = {"metadata": {}, **params, **more}
        found |= {"object": kind, "id": f"{prefix}_{next(self._ids):06}", "created": self.now}
        found["amount"] = int(found["amount"])
        self.objects[found["id"]] = found
        return found

    def _charge(self, intent: Fields) -> None:
        wanted = {k: intent[k] for k in ("amount", "currency")}
        charge = self._new("charge", "ch", wanted, payment_intent=intent["id"])
        self._line("charge", charge, intent["amount"], intent["amount"] * 14 // 1000 + 25)
        self._tell("payment_intent.succeeded", intent)

    def _fail(self, intent: Fields, code: str) -> None:
        error = {"code": "card_declined", "decline_code": code}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        self._tell("payment_intent.payment_failed", intent)

    def _withdraw(self, dispute: Fields) -> None:
        line = self._line("adjustment", dispute, -dispute["amount"], 1500)
        dispute["balance_transactions"].append(line)

    def _line(self, kind: str, source: Fields, amount: int, fee: int = 0) -> Fields:
        line = {
            "object": "balance_transaction", "id": f"txn_{next(self._ids):06}", "type": kind,
            "amount": amount, "fee": fee, "currency": source["currency"], "created": self.now,
            "source": source["id"],
        }  # fmt: skip
        self.lines.append(line)
        return line

    def _tell(self, kind: str, found: Fields, account: str | None = None) -> None:
        event: Fields = {
            "object": "event", "id": f"evt_{next(self._ids):06}", "type": kind,
            "created": self.now, "data": {"object": json.loads(json.dumps(found))},
        }  # fmt: skip
        self._events.append(event | ({"account": account} if account else {}))
