"""The verbs of the gate: decide, require, reserve, settle, release; and who may receive.

A payment, in the transaction that moves the money:

    decision = await trust.decide(tx, payment)
    trust.require(decision)
    if decision.confirmation_required:
        await trust.consume_confirmation(tx, token, payment)
    trust.reserve(tx, payment, decision)
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.core import ids
from handsel.foundation.core.errors import Invalid, Problem
from handsel.foundation.db.uow import Tx
from handsel.people.members import service as members
from handsel.people.trust import confirmations, decisions, overview, policy, queries
from handsel.people.trust.confirmations import consume as consume_confirmation
from handsel.people.trust.errors import CurrencyNotSupported, Refused
from handsel.people.trust.grades import grade
from handsel.people.trust.schemas import (
    Allowed,
    CheckInput,
    CheckView,
    ConfirmationInput,
    ConfirmationView,
    Decision,
    Payment,
    Payouts,
    PolicyView,
    Reason,
    Step,
    TrustCard,
    TrustView,
)
from handsel.people.trust.table import PolicyFile, PolicyTable, Tier

__all__ = [
    "Allowed", "Decision", "Payment", "Reason", "Step", "Tier", "TrustCard", "check", "confirm",
    "consume_confirmation", "current_policy", "decide", "deposit_waived", "in_reference",
    "may_receive", "note_settled", "owing_limit", "own_trust", "payouts_of", "prune",
    "public_card", "public_policy", "release", "require", "reserve", "settle", "settle_many",
    "was_confirmed",
]  # fmt: skip

#: Read when this module is: a service with a wrong policy does not start (``PolicyInvalid``).
_POLICY = PolicyFile(Path(__file__).with_name("tiers.toml"))
_LONGEST_HANDLE = 30


def current_policy() -> PolicyTable:
    """The policy in force; read again when its file has changed."""
    return _POLICY.current()


def in_reference(amount_minor: int, currency: str) -> int:
    """An amount in minor units of the reference currency. Raises ``CurrencyNotSupported``."""
    found = current_policy().in_reference(amount_minor, currency)
    if found is None:
        raise CurrencyNotSupported(f"the policy has no rate for {currency}")
    return found


async def decide(tx: Tx, payment: Payment) -> Decision:
    """Whether this payment is allowed now. One round trip; moves nothing.

    A no is logged when the problem that it becomes undoes the transaction.

    The payer's standing stays locked until this transaction ends, so that what is decided still
    holds when it is reserved. Raises ``NotFound`` for a payee who does not exist.
    """
    if payment.amount_minor < 1:
        raise Invalid("an amount is at least one minor unit")
    standing = await queries.load_standing(tx, payment.payer_id, payment.payee_id)
    table, content = current_policy(), _POLICY.content()
    decision = policy.decide(table, payment, standing)
    await decisions.keep_policy(tx, decision, content)
    if not decision.allowed:
        decisions.record_if_refused(tx, decision)
    return decision


def require(decision: Decision) -> None:
    """Raise ``Refused`` (403, with reasons and path) for a no."""
    if decision.allowed:
        return
    first = decision.reasons[0]
    kind = Problem.registry()[policy.PROBLEM_OF.get(first.code, first.code)]
    assert issubclass(kind, Refused)
    raise kind(
        first.text,
        reasons=msgspec.to_builtins(decision.reasons),
        path=msgspec.to_builtins(decision.path),
        decision_id=ids.encode("dec", decision.decision_id),
    )


def reserve(tx: Tx, payment: Payment, decision: Decision, *, part_of: UUID | None = None) -> None:
    """Count the payment against its payer's limits and log the decision, in this transaction.

    ``part_of``: the payment that it adds to; what is settled or released there is here too.

    Raises at the commit: ``OverLimit`` where other payments of this transaction used the limit up,
    ``ExposureExists`` where this reference is reserved already.
    """
    if not decision.allowed or decision.payment != payment:
        raise ValueError("only the payment that was allowed can be reserved")
    limits = current_policy().payments(decision.payer_tier)
    decisions.record(tx, decision, limits.per_24h_minor, limits.per_30d_minor)
    if part_of is not None:
        tx.call("people.add_exposure", ("uuid", "uuid"), payment.reference_id, part_of)


def settle(tx: Tx, reference_id: UUID, payer_id: UUID, payee_id: UUID) -> None:
    """The hold was released to the payee. It counts against the limits until its time is over."""
    settle_many(tx, [(reference_id, payer_id, payee_id)])


def settle_many(tx: Tx, payments: Sequence[tuple[UUID, UUID, UUID]]) -> None:
    """``settle`` for many payments: (reference, payer, payee)."""
    tx.call(
        "people.settle_exposures",
        ("uuid[]", "uuid[]", "uuid[]"),
        [reference for reference, _, _ in payments],
        [payer for _, payer, _ in payments],
        [payee for _, _, payee in payments],
    )


def release(tx: Tx, reference_id: UUID) -> None:
    """The money went back to the payer: it no longer counts against the limits."""
    types = ("uuid", "uuid", "uuid", "text")
    tx.call("people.resolve_exposure", types, reference_id, None, None, "released")


async def may_receive(tx: Tx, member_id: UUID) -> Allowed:
    """Whether a member may be paid or may ask for money (T1 and above)."""
    party, now = await queries.party(tx, member_id)
    return policy.may_receive(current_policy(), party, now)


async def deposit_waived(tx: Tx, member_id: UUID) -> bool:
    """Whether a member's tier stands for the deposit of what they borrow."""
    party, now = await queries.party(tx, member_id)
    return policy.deposit_waived(current_policy(), party, now)


async def owing_limit(tx: Tx, member_id: UUID) -> int:
    """How much a member may owe in all for what was done before it is paid, in minor units of the
    reference currency; 0 below the tiers that may owe."""
    party, now = await queries.party(tx, member_id)
    table = current_policy()
    payments = table.rule(grade(table, party, now).tier).payments
    return payments.owe_up_to_minor if payments else 0


async def payouts_of(tx: Tx, member_id: UUID) -> Payouts:
    """Whether a member's own money may leave to their bank, and what decides how fast: the limits
    themselves are the payments' (``money/payments/velocity``)."""
    party, now = await queries.party(tx, member_id)
    table = current_policy()
    allowed = policy.payout_allowed(table, party, now)
    return Payouts(allowed, grade(table, party, now).tier, party.first_settled_at)


async def note_settled(
    tx: Tx, order_id: UUID, buyer_id: UUID, seller_id: UUID, on_time: bool, settled_at: datetime
) -> None:
    """A deal came to a good end: both track records grow, once for each order."""
    types = ("uuid", "uuid", "uuid", "bool", "timestamptz")
    tx.call("people.note_settled", types, order_id, buyer_id, seller_id, on_time, settled_at)


async def public_card(reader: queries.Reader, member_ids: Sequence[UUID]) -> dict[UUID, TrustCard]:
    """The trust cards of members; those who do not exist are left out."""
    table = current_policy()
    rows = await queries.public_standings(reader, list(member_ids))
    return {row["member_id"]: overview.card_of(table, row) for row in rows}


async def own_trust(reader: queries.Reader, member_id: UUID) -> TrustView:
    """A member's own tier, limits and next steps."""
    standing = await queries.view_standing(reader, member_id, member_id)
    return overview.trust_of(current_policy(), standing)


async def check(tx: Tx, payer_id: UUID, data: CheckInput) -> CheckView:
    """What the gate would say to a payment now. No lock, no log, nothing moves."""
    amount = data.amount
    if amount.amount_minor < 1:
        raise Invalid("an amount is at least one minor unit")
    payee_id = await _member_of(tx, data.payee)
    payment = Payment(payer_id, payee_id, amount.amount_minor, amount.currency, b"", payee_id)
    standing = await queries.view_standing(tx, payer_id, payee_id)
    return overview.check_of(policy.decide(current_policy(), payment, standing))


async def confirm(tx: Tx, payer_id: UUID, data: ConfirmationInput) -> ConfirmationView:
    """A confirmation, for the right password. Raises what ``prove_password`` raises."""
    await members.prove_password(tx, payer_id, data.password)
    return await confirmations.issue(tx, payer_id, data)


async def was_confirmed(tx: Tx, reference_id: UUID) -> bool:
    """Whether the payer has confirmed payee, amount and terms of this payment in person."""
    answer: bool = await tx.fetchval("SELECT people.was_confirmed($1)", reference_id)
    return answer


async def prune(conn: asyncpg.Connection, limit: int = 5000) -> int:
    """Forget confirmations that nobody used within a day; used ones are evidence. For the sweep."""
    pruned: int = await conn.fetchval("SELECT people.prune_confirmations($1)", limit)
    return pruned


async def count_labels(conn: asyncpg.Connection) -> None:
    """Count the outcomes that scores can be learnt from, up to ten thousand of each score: whether
    there are enough is all that is asked. With enough of them scores may raise a tier."""
    await conn.execute("SELECT people.count_labels()")


def public_policy() -> PolicyView:
    """The tier table as everybody sees it."""
    return overview.policy_of(current_policy())


async def _member_of(tx: Tx, text: str) -> UUID:
    """A member by prefixed id or by handle. Raises ``NotFound``."""
    if text.startswith("mem_") and len(text) > _LONGEST_HANDLE:
        return ids.decode("mem", text)
    return (await members.find(tx, text)).id
