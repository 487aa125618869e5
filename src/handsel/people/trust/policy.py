"""The decision, pure: from a policy table, a payment and what is known to a yes or a no.

Monotone: more verification, score or track record never lowers what is allowed, and a larger
amount is never allowed where a smaller one is refused. The path of a refusal leads to a yes.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from handsel.foundation.core.money import display
from handsel.people.trust.grades import Grades, days_of, grade, steps_to
from handsel.people.trust.schemas import (
    Allowed,
    Decision,
    LimitCode,
    Party,
    Payment,
    Reason,
    Standing,
    Step,
)
from handsel.people.trust.table import LEAST_ACTIVE, PolicyTable, Tier

#: The problem of a reason, where its code is another: whichever limit, it is over the limit.
PROBLEM_OF = {
    "over_order_limit": "over_limit",
    "over_24h_limit": "over_limit",
    "over_30d_limit": "over_limit",
    "score_unavailable": "over_limit",
}


_LOCKED = Reason(code="payer_locked", text="Your account is locked; money still reaches it.")
_UNLOCK = Step(code="unlock_account", text="Secure your account; GET /v1/me/lock says how.")


class Limit(NamedTuple):
    """A limit of a tier and what is used of it, in minor units of the reference currency."""

    code: LimitCode
    limit_minor: int
    used_minor: int
    wait_days: int  # until nothing of it is used

    @property
    def remaining_minor(self) -> int:
        """What is left, never below zero."""
        return max(self.limit_minor - self.used_minor, 0)


def limits_of(table: PolicyTable, tier: Tier, used_24h: int, used_30d: int) -> tuple[Limit, ...]:
    """The three limits of a tier; none below T1, where nothing may be paid."""
    payments = table.rule(tier).payments
    if payments is None:
        return ()
    return (
        Limit("per_order", payments.per_order_minor, 0, 0),
        Limit("per_24h", payments.per_24h_minor, used_24h, 1),
        Limit("per_30d", payments.per_30d_minor, used_30d, 30),
    )


def decide(table: PolicyTable, payment: Payment, standing: Standing) -> Decision:
    """The gate's answer to a payment of at least one minor unit."""
    payer = grade(table, standing.payer, standing.now)
    payee = grade(table, standing.payee, standing.now)
    amount = table.in_reference(payment.amount_minor, payment.currency)
    reasons = [*_who(payment, payer, payee)]
    steps: list[Step] = []
    if amount is None:
        text = f"Payments in {payment.currency} have no limits in the policy yet."
        reasons.insert(0, Reason(code="currency_not_supported", text=text))
        supported = ", ".join(sorted(table.rates))
        steps.append(Step(code="use_other_currency", text=f"Pay in one of {supported}."))
    else:
        reasons += _over(table, payment, standing, payer, amount)
        if reasons:  # nearly every answer is a yes, and needs no way to one
            steps += _payer_path(table, payment, standing, payer, amount)
    steps += _payee_path(reasons)
    if standing.payer_locked:
        reasons.insert(0, _LOCKED)
        steps.insert(0, _UNLOCK)
    return Decision(
        decision_id=standing.decision_id,
        payment=payment,
        allowed=not reasons,
        reasons=tuple(reasons),
        path=tuple(steps),
        confirmation_required=_must_confirm(table, payer.tier, amount, standing.known_payee),
        hold_period=_hold_period(table, payee.tier, amount, standing.payee.received_orders),
        revoke_window=_revoke_window(table, payer.tier),
        payer_tier=payer.tier,
        payee_tier=payee.tier,
        policy_version=table.version,
        reference_minor=amount or 0,
        standing=standing,
    )


def may_receive(table: PolicyTable, party: Party, now: datetime) -> Allowed:
    """Whether a member may be paid or may ask for money: T1 and above."""
    grades = grade(table, party, now)
    if grades.tier >= LEAST_ACTIVE:
        return Allowed(True, (), ())
    return Allowed(False, (_own_reason(grades),), steps_to(table, party, now, LEAST_ACTIVE))


def payout_allowed(table: PolicyTable, party: Party, now: datetime) -> Allowed:
    """Whether a member's own money may leave to their bank.

    That needs to be verified (T1's verification); a poor score does not keep it, TX does.
    """
    grades = grade(table, party, now)
    if grades.verification >= LEAST_ACTIVE and grades.tier > Tier.TX:
        return Allowed(True, (), ())
    return Allowed(False, (_own_reason(grades),), steps_to(table, party, now, LEAST_ACTIVE))


def deposit_waived(table: PolicyTable, party: Party, now: datetime) -> bool:
    """Whether a member borrows without leaving a deposit: their tier stands for it."""
    payments = table.rule(grade(table, party, now).tier).payments
    return payments is not None and payments.deposit_free


def _own_reason(grades: Grades) -> Reason:
    if grades.verification < LEAST_ACTIVE:
        text = "You are not verified yet: a contact and one check are needed before money moves."
        return Reason(code="not_verified", text=text)
    text = "Your score is below what moving money needs; GET /v1/credit says why."
    return Reason(code="restricted", text=text)


def _who(payment: Payment, payer: Grades, payee: Grades) -> list[Reason]:
    """Reasons that lie in the two people, not in the amount."""
    reasons = []
    if payment.payer_id == payment.payee_id:
        reasons.append(Reason(code="self_payment", text="Payer and payee are the same member."))
    if payer.tier < LEAST_ACTIVE:
        own = _own_reason(payer)
        reasons.append(Reason(code=f"payer_{own.code}", text=own.text))
    if payee.tier < LEAST_ACTIVE:
        if payee.verification < LEAST_ACTIVE:
            text = "The other side is not verified yet and cannot be paid."
            reasons.append(Reason(code="payee_not_verified", text=text))
        else:
            text = "The other side cannot receive money at the moment."
            reasons.append(Reason(code="payee_restricted", text=text))
    return reasons


def _over(
    table: PolicyTable, payment: Payment, standing: Standing, payer: Grades, amount: int
) -> list[Reason]:
    """Each limit of the payer's own tier that the payment would pass."""
    currency = payment.currency
    reasons = []
    for limit in limits_of(table, payer.tier, standing.used_24h_minor, standing.used_30d_minor):
        if amount <= limit.limit_minor - limit.used_minor:
            continue
        most = table.in_currency(limit.limit_minor, currency)
        used = table.in_currency(limit.used_minor, currency)
        left = table.in_currency(limit.remaining_minor, currency)
        name = {"per_order": "an order", "per_24h": "24 hours", "per_30d": "30 days"}[limit.code]
        text = (
            f"{payer.tier.name} may pay {display(most, currency)} in {name};"
            f" {display(left, currency)} are left."
        )
        code = f"over_{limit.code.removeprefix('per_')}_limit"
        reasons.append(Reason(code=code, text=text, limit_minor=most, used_minor=used))
    failed = [s for s in (standing.payer.financial, standing.payer.social) if s]
    if reasons and any(score.state == "failed" for score in failed):
        text = "Your score cannot be computed at the moment, so the limits of T1 hold."
        reasons.append(Reason(code="score_unavailable", text=text))
    return reasons


def _payer_path(
    table: PolicyTable, payment: Payment, standing: Standing, payer: Grades, amount: int
) -> tuple[Step, ...]:
    """The shortest way to a yes on the payer's side; empty where it is one already."""
    candidates: list[tuple[Step, ...]] = []
    for tier in Tier:
        if tier < max(payer.tier, LEAST_ACTIVE):
            continue
        wait = 0
        for limit in limits_of(table, tier, standing.used_24h_minor, standing.used_30d_minor):
            if amount > limit.limit_minor:
                break
            if amount > limit.remaining_minor:
                wait = max(wait, limit.wait_days)
        else:
            climb = steps_to(table, standing.payer, standing.now, tier)
            candidates.append((*climb, *_waiting(wait)))
    if candidates:
        return min(candidates, key=days_of)
    return _pay_less(table, payment, standing, max(payer.tier, LEAST_ACTIVE))


def _pay_less(
    table: PolicyTable, payment: Payment, standing: Standing, tier: Tier
) -> tuple[Step, ...]:
    """No tier allows as much: the most that one's own tier does, now or when the sums are free."""
    limits = limits_of(table, tier, standing.used_24h_minor, standing.used_30d_minor)
    left = table.in_currency(min(limit.remaining_minor for limit in limits), payment.currency)
    wait = 0
    if left < 1:
        left = table.in_currency(limits[0].limit_minor, payment.currency)
        wait = max(limit.wait_days for limit in limits if limit.used_minor)
    text = f"Pay at most {display(left, payment.currency)}."
    climb = steps_to(table, standing.payer, standing.now, tier)
    return (*climb, *_waiting(wait), Step(code="pay_less", text=text, count=left))


def _waiting(days: int) -> tuple[Step, ...]:
    if not days:
        return ()
    text = f"Wait up to {days} day{'s' * (days > 1)} until earlier payments no longer count."
    return (Step(code="wait_for_limit", text=text, count=days),)


def _payee_path(reasons: list[Reason]) -> list[Step]:
    codes = {reason.code for reason in reasons}
    if "payee_not_verified" in codes:
        text = "Ask the other side to verify a contact and one document, account or address."
        return [Step(code="ask_payee_to_verify", text=text)]
    if codes & {"payee_restricted", "self_payment"}:
        return [Step(code="choose_other_payee", text="Choose somebody else.")]
    return []


def _must_confirm(table: PolicyTable, tier: Tier, amount: int | None, known_payee: bool) -> bool:
    payments = table.rule(tier).payments
    if payments is None or amount is None:
        return True
    above = payments.confirm_above_minor
    if not known_payee:
        above = min(above, payments.confirm_new_payee_above_minor)
    return amount > above


def _hold_period(table: PolicyTable, tier: Tier, amount: int | None, received: int) -> timedelta:
    """How long the payee's money is held after the work; first small orders are paid out sooner."""
    hold = table.payments(max(tier, LEAST_ACTIVE)).hold_period
    first = table.first_orders
    if amount is not None and received < first.count and amount <= first.up_to_minor:
        return min(hold, first.hold_period)
    return hold


def _revoke_window(table: PolicyTable, tier: Tier) -> timedelta:
    payments = table.rule(tier).payments
    return payments.revoke_window if payments else timedelta(0)
