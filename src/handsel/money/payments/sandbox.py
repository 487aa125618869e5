"""The built-in provider: deterministic, with a token for every outcome.

======================== ====================================================================
``tok_ok``               succeeds (so does any other ``tok_…``)
``tok_declined``         declined: card_declined
``tok_no_funds``         declined: insufficient_funds
``tok_lost_answer``      acts, but the first answer is lost; the second asking gets it
``tok_3ds``              needs a step of the payer: POST /v1/sandbox/provider/charges/…/confirm
``tok_late``             pending; an event says an hour later that it succeeded
``tok_late_failed``      pending; an event says an hour later that it failed
``tok_dispute``          succeeds; its bank takes it back a day later
``tok_refund_fails``     succeeds; a refund of it is refused: card_closed
``tok_refund_bounces``   succeeds; a refund of it succeeds, and fails a day later: card_closed
``tok_refund_later``     succeeds; a refund of it finds no balance the first time, and is pending
                         the second time until it is looked up
``bank_ok``              is paid (so does any other ``bank_…``)
``bank_returned``        the payout is refused: account_closed
``bank_late_return``     is paid, and comes back a day later: account_closed
``bank_lost_answer``     acts, but the first answer is lost
``bank_accepted``        accepted; an event says an hour later that it is paid
======================== ====================================================================

It keeps its own memory (``money.sandbox_…``), as a company elsewhere would, takes 1.4 % and 25
minor units of a charge and 1500 of a dispute, and tells its events through the same signed webhook
as any provider. ``sandbox_desk`` is what can be done there by hand.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.db.uow import Database, Tx
from handsel.money.payments.errors import SignatureInvalid, TimestampOutside, WebhookMalformed
from handsel.money.payments.gateway import (
    TOLERANCE,
    ChargeAnswer,
    Current,
    KeyReused,
    PayoutAnswer,
    ProviderEvent,
    ProviderUnavailable,
    RefundAnswer,
    ReportLine,
)
from handsel.money.payments.sandbox_books import (
    Verdict,
    book,
    decide_dispute,
    open_dispute,
    sign,
    tell,
)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_FAILURES = {
    "tok_declined": "card_declined",
    "tok_no_funds": "insufficient_funds",
    "bank_returned": "account_closed",
}
_LOSES_FIRST_ANSWER = {"tok_lost_answer", "bank_lost_answer"}
#: Token -> (what becomes of it at once, the event that comes later, when).
_LATER = {
    "tok_3ds": ("requires_action", None, _HOUR),
    "tok_late": ("pending", "charge.succeeded", _HOUR),
    "tok_late_failed": ("pending", "charge.failed", _HOUR),
    "tok_dispute": ("succeeded", "dispute.opened", _DAY),
    "bank_accepted": ("accepted", "payout.paid", _HOUR),
    "bank_late_return": ("paid", "payout.returned", _DAY),
}
SIGNATURE = "sandbox-signature"

_ASK = """
INSERT INTO money.sandbox_provider AS p (idempotency_key, request, outcome, state, at)
VALUES ($1, $2, $3, $3, foundation.handsel_now())
ON CONFLICT (idempotency_key) DO UPDATE SET attempts = p.attempts + 1
RETURNING request, outcome, reference, attempts, at
"""
#: A charge, and what was asked back of it before: whether in vain, and how much went.
_CHARGED = """
SELECT c.request ->> 'token' AS token, (c.request ->> 'amount_minor')::bigint AS amount,
       coalesce(bool_or(r.outcome = 'failed'), false) AS in_vain,
       coalesce(sum((r.request ->> 'amount_minor')::bigint)
           FILTER (WHERE r.state <> 'failed'), 0)::bigint AS back
  FROM money.sandbox_provider c
  LEFT JOIN money.sandbox_provider r
    ON r.request ->> 'charge' = c.reference AND r.idempotency_key LIKE 'refund:%'
   AND r.idempotency_key <> 'refund:' || $2::uuid
 WHERE c.reference = $1 GROUP BY c.idempotency_key
"""


class SandboxGateway:
    """A ``Gateway`` that answers by the table above. ``secret`` signs its webhooks."""

    name = "sandbox"

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ChargeAnswer:
        """See ``Gateway.charge``."""
        failure = _FAILURES.get(token)
        outcome = "declined" if failure else _LATER.get(token, ("succeeded",))[0]
        request = _request("charge", token, amount_minor, currency)
        row = await self._remember("charge", key, request, outcome, _begin)
        if token in _LOSES_FIRST_ANSWER and row["attempts"] == 1:
            raise ProviderUnavailable("the answer was lost on the way")
        url = f"/v1/sandbox/provider/charges/{row['reference']}/confirm"
        action = url if row["outcome"] == "requires_action" else None
        return ChargeAnswer(row["outcome"], row["reference"], failure, action)

    async def refund(
        self, key: UUID, *, charge_reference: str, amount_minor: int, currency: str
    ) -> RefundAnswer:
        """See ``Gateway.refund``."""
        outcome, failure = await self._refundable(key, charge_reference, amount_minor)
        request = {"charge": charge_reference, "amount_minor": amount_minor, "currency": currency}
        row = await self._remember("refund", key, request, outcome, _begin_refund)
        known = failure if row["outcome"] == outcome else None
        return RefundAnswer(row["outcome"], row["reference"], known)

    async def _refundable(
        self, key: UUID, charge_reference: str, amount_minor: int
    ) -> tuple[str, str | None]:
        async with self._database.reading() as conn:
            charge = await conn.fetchrow(_CHARGED, charge_reference, key)
        if charge is None:
            return "failed", "unknown_charge"
        if charge["back"] + amount_minor > charge["amount"]:
            return "failed", "charge_already_refunded"
        if charge["token"] == "tok_refund_fails":  # noqa: S105 - names an outcome
            return "failed", "card_closed"
        if charge["token"] == "tok_refund_later":  # noqa: S105
            later = ("failed", "insufficient_provider_balance")
            return ("pending", None) if charge["in_vain"] else later
        return "succeeded", None

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> PayoutAnswer:
        """See ``Gateway.pay_out``."""
        failure = _FAILURES.get(token)
        outcome = "declined" if failure else _LATER.get(token, ("paid",))[0]
        request = _request("pay_out", token, amount_minor, currency)
        row = await self._remember("pay_out", key, request, outcome, _begin)
        if token in _LOSES_FIRST_ANSWER and row["attempts"] == 1:
            raise ProviderUnavailable("the answer was lost on the way")
        return PayoutAnswer(row["outcome"], row["reference"], failure)

    async def take_back(self, reference: str) -> None:
        """See ``Gateway.take_back``. What comes back is in our balance by itself."""

    async def look_up(self, kind: Literal["charge", "payout", "refund"], reference: str) -> Current:
        """See ``Gateway.look_up``. What was accepted or pending is done by the time that one asks;
        a charge is what its events have said."""
        await self._refuse_when_down()
        async with self._database.reading() as conn:
            row = await conn.fetchrow(
                "SELECT state, request ->> 'token' AS token FROM money.sandbox_provider"
                " WHERE reference = $1",
                reference,
            )
        if row is None:
            raise ProviderUnavailable(f"the sandbox provider does not know {reference}")
        state, failure = row["state"], _FAILURES.get(row["token"])
        if kind == "charge":
            failed = state in ("declined", "failed")
            return Current("failed", failure or "card_declined") if failed else Current(state)
        if state in ("returned", "declined"):
            return Current("returned", failure or "account_closed")
        if state == "failed":
            return Current("failed", "card_closed")
        return Current("paid" if kind == "payout" else "succeeded")

    async def submit_evidence(self, key: UUID, reference: str, text: str, /) -> None:
        """See ``Gateway.submit_evidence``. Evidence with the words "I lose" loses, "I win" wins,
        an hour later; other evidence waits for the desk."""
        request = {"dispute": reference, "evidence": text}
        row = await self._remember("evidence", key, request, "submitted")
        words_of: dict[Verdict, str] = {"dispute.won": "I win", "dispute.lost": "I lose"}
        for kind, words in words_of.items():
            if words in text and row["attempts"] == 1:
                async with self._database.transaction() as tx:
                    await decide_dispute(tx, reference, kind, row["at"] + _HOUR)

    async def accept_dispute(self, key: UUID, reference: str, /) -> None:
        """See ``Gateway.accept_dispute``."""
        await self._remember("accept", key, {"dispute": reference}, "accepted")

    async def report(self, day: date) -> Sequence[ReportLine]:
        """See ``Gateway.report``."""
        await self._refuse_when_down()
        begin = datetime.combine(day, time(), UTC)
        async with self._database.reading() as conn:
            rows = await conn.fetch(
                "SELECT id, kind, reference, amount AS amount_minor, fee AS fee_minor,"
                " unit AS currency, at FROM money.sandbox_lines WHERE at >= $1 AND at < $2"
                " ORDER BY id",
                begin,
                begin + _DAY,
            )
        return [ReportLine(**dict(row)) for row in rows]

    async def close(self) -> None:
        """See ``Gateway.close``. The pool is not its own."""

    def read_webhook(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> ProviderEvent:
        """See ``Gateway.read_webhook``. Signed like Stripe's: ``t=<unix time>,v1=<hex HMAC>``."""
        parts = dict(
            part.split("=", 1) for part in headers.get(SIGNATURE, "").split(",") if "=" in part
        )
        stamp = parts.get("t", "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
            raise SignatureInvalid
        given = parts.get("v1", "").encode()
        if not hmac.compare_digest(sign(self._secret, int(stamp), raw).encode(), given):
            raise SignatureInvalid
        if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
            raise TimestampOutside
        try:
            return msgspec.json.decode(raw, type=ProviderEvent)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WebhookMalformed(str(error)) from None

    async def _remember(
        self,
        what: str,
        key: UUID,
        request: dict[str, Any],
        outcome: str,
        begin: Callable[[Tx, asyncpg.Record, UUID], Awaitable[None]] | None = None,
    ) -> asyncpg.Record:
        """What was answered under the key. ``begin`` is done with the first asking, or not at all:
        a process that dies here must leave the provider's books whole."""
        await self._refuse_when_down()
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(_ASK, f"{what}:{key}", request, outcome)
            assert row is not None
            if row["request"] != request:
                raise KeyReused(f"{what}:{key}")
            if begin is not None and row["attempts"] == 1:
                await begin(tx, row, key)
        return row

    async def _refuse_when_down(self) -> None:
        async with self._database.reading() as conn:
            down = await conn.fetchval(
                "SELECT down_until > foundation.handsel_now() FROM money.sandbox_outage"
            )
        if down:
            raise ProviderUnavailable("the sandbox provider is down")


async def _begin(tx: Tx, row: asyncpg.Record, key: UUID) -> None:
    """Book what has moved, and put down what is going to be told."""
    request = row["request"]
    kind, direction = ("charge", 1) if request["what"] == "charge" else ("payout", -1)
    amount, currency, token = (request[name] for name in ("amount_minor", "currency", "token"))
    if row["outcome"] in ("succeeded", "paid", "accepted"):
        await book(tx.conn, kind, row["reference"], direction * amount, currency)
    _, later, after = _LATER.get(token, ("", None, _HOUR))
    if later == "dispute.opened":
        await open_dispute(tx, row["reference"], amount, "fraudulent", row["at"] + after)
    elif later is not None:
        failure = {"charge.failed": "card_declined", "payout.returned": "account_closed"}
        data = {"failure": failure[later]} if later in failure else {}
        await tell(tx.conn, _told(row, key, request, later, data), row["at"] + after)


async def _begin_refund(tx: Tx, row: asyncpg.Record, key: UUID) -> None:
    request = row["request"]
    if row["outcome"] == "failed":
        return
    await book(tx.conn, "refund", row["reference"], -request["amount_minor"], request["currency"])
    token = await tx.fetchval(
        "SELECT request ->> 'token' FROM money.sandbox_provider WHERE reference = $1",
        request["charge"],
    )
    if token == "tok_refund_bounces":  # noqa: S105
        event = _told(row, key, request, "refund.failed", {"failure": "card_closed"})
        await tell(tx.conn, event, row["at"] + _DAY)


def _request(what: str, token: str, amount_minor: int, currency: str) -> dict[str, Any]:
    return {"what": what, "token": token, "amount_minor": amount_minor, "currency": currency}


def _told(
    row: asyncpg.Record, key: UUID, request: Mapping[str, Any], kind: str, data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "reference": row["reference"],
        "key": str(key),
        "charge_reference": request.get("charge"),
        "amount_minor": request["amount_minor"],
        "currency": request["currency"],
        "data": data,
    }
