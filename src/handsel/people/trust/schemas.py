"""Payments and decisions, what a decision is made of, and the views."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec

from handsel.foundation.core.money import Money
from handsel.foundation.core.schema import Input, View
from handsel.people.trust.table import Tier


@dataclass(frozen=True, slots=True)
class Payment:
    """What a payer wants to put into a hold. ``reference_id`` is the order."""

    payer_id: UUID
    payee_id: UUID
    amount_minor: int
    currency: str
    terms_hash: bytes
    reference_id: UUID


class ScoreSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A score of the newest snapshot, as the gate sees it."""

    state: Literal["scored", "building_history", "failed"]
    points: int | None = None
    low: int | None = None
    band: str | None = None
    model_id: str | None = None
    snapshot_id: UUID | None = None


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one side. ``joined_at`` is None for somebody who does not exist.

    ``received_orders``: funded orders as a seller that were not given back, counted up to 100;
    ``matured_labels``: outcomes that the scores of the house could be learnt from, counted up to
    10,000.
    """

    member_id: UUID
    verified: tuple[str, ...]
    joined_at: datetime | None
    settled_orders: int = 0
    counterparties: int = 0
    first_settled_at: datetime | None = None
    received_orders: int = 0
    matured_labels: int = 0
    financial: ScoreSeen | None = None
    social: ScoreSeen | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """All inputs of one decision, as ``people.load_standing`` returns them and the log keeps them.

    ``used_*`` in minor units of the reference currency; ``known_payee``: an order was settled;
    ``payer_locked``: by a lock that its owner has not lifted yet.
    """

    decision_id: UUID
    now: datetime
    payer: Party
    payee: Party
    used_24h_minor: int
    used_30d_minor: int
    known_payee: bool
    payer_locked: bool = False


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something is refused. Limits are in minor units of the payment's currency."""

    code: str
    text: str
    limit_minor: int | None = None
    used_minor: int | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to do. ``one_of`` names verifications; ``count``: how many, how long, how high."""

    code: str
    text: str
    one_of: tuple[str, ...] = ()
    count: int | None = None


class Allowed(NamedTuple):
    """A yes, or a no with its reasons and the way to a yes."""

    allowed: bool
    reasons: tuple[Reason, ...]
    path: tuple[Step, ...]


class Payouts(NamedTuple):
    """Whether money may leave to a member's bank, their tier, and when the first deal was settled
    (None: not yet)."""

    allowed: Allowed
    tier: Tier
    first_settled_at: datetime | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the gate to one payment, with everything it was made of.

    ``hold_period`` is the payee's, ``revoke_window`` the payer's. The payee's tier is for the
    process, never for the payer's eyes.
    """

    decision_id: UUID
    payment: Payment
    allowed: bool
    reasons: tuple[Reason, ...]
    path: tuple[Step, ...]
    confirmation_required: bool
    hold_period: timedelta
    revoke_window: timedelta
    payer_tier: Tier
    payee_tier: Tier
    policy_version: str
    reference_minor: int
    standing: Standing


class TrustCard(View):
    """What everybody may see of a member: never the financial score, never the money tier.

    ``conduct_band`` is the band of the social score, None while building history.
    """

    identity_tier: str
    verified: tuple[str, ...]
    settled_orders: int
    distinct_customers: int
    returning_customers: int
    on_time_percent: int | None
    conduct_band: str | None
    member_since: datetime


PartName = Literal["verification", "track_record", "financial_score", "social_score"]
LimitCode = Literal["per_order", "per_24h", "per_30d"]


class PartView(View):
    """The tier that one part alone would allow; the lowest of the parts counts."""

    part: PartName
    allows: str
    text: str


class LimitView(View):
    """A limit and what is left of it, in the reference currency."""

    code: LimitCode
    limit: Money
    used: Money
    remaining: Money


class NextTierView(View):
    """The next tier and the shortest way there."""

    tier: str
    title: str
    steps: tuple[Step, ...]


class TrustView(View):
    """My tier, why, what it allows, and how to get further."""

    tier: str
    title: str
    why: tuple[PartView, ...]
    limits: tuple[LimitView, ...]
    warnings: tuple[str, ...]
    hold_period: timedelta | None
    revoke_window: timedelta | None
    next_tier: NextTierView | None
    policy_version: str


class CheckInput(Input):
    """Whom I would pay (handle or id), and how much."""

    payee: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["ada"])]
    amount: Money


class CheckView(View):
    """Whether a payment would be allowed now."""

    allowed: bool
    reasons: tuple[Reason, ...]
    path: tuple[Step, ...]
    confirmation_required: bool
    revoke_window: timedelta
    payer_tier: str
    policy_version: str


class ConfirmationInput(Input):
    """What I confirm, and the proof that it is me. ``terms_hash`` is in hexadecimal."""

    payee_id: Annotated[str, msgspec.Meta(max_length=64)]
    amount: Money
    terms_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class ConfirmationView(View):
    """A token that confirms exactly this, once. It is shown only here."""

    token: str
    expires_at: datetime


class TierView(View):
    """A tier of the public table, in the reference currency."""

    tier: str
    title: str
    verified: tuple[tuple[str, ...], ...]
    financial_floor: int | None
    social_floor: int | None
    record_any: dict[str, int]
    record_all: dict[str, int]
    per_order: Money | None
    per_24h: Money | None
    per_30d: Money | None
    hold_period: timedelta | None
    revoke_window: timedelta | None
    confirm_above: Money | None
    confirm_new_payee_above: Money | None
    deposit_free: bool


class PolicyView(View):
    """The tier table. Its rates are fixed with the version."""

    version: str
    reference_currency: str
    rates: dict[str, str]
    tiers: tuple[TierView, ...]
