"""Bodies and answers of wallet, top-ups and withdrawals."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from handsel.foundation.core.money import AmountMinor, Currency, Money
from handsel.foundation.core.schema import Input, View

PaymentToken = Annotated[str, msgspec.Meta(min_length=4, max_length=256, examples=["tok_ok"])]
BankToken = Annotated[str, msgspec.Meta(min_length=6, max_length=256, examples=["bank_ok"])]


class PositiveMoney(Input):
    """An amount above zero, in minor units."""

    amount_minor: AmountMinor
    currency: Currency


class TopUpInput(Input):
    """Put money into the wallet by a payment token of the provider. ``client_reference`` is your
    own id of it: used twice, the second is refused, also when the Idempotency-Key has expired."""

    amount: PositiveMoney
    token: PaymentToken
    client_reference: UUID | None = None


class TopUpView(View):
    """``pending`` until the provider has decided; ``requires_action`` while it waits for you to
    confirm at ``action_url`` (3-D Secure). A late success still counts."""

    id: str
    amount: Money
    state: Literal["pending", "requires_action", "succeeded", "failed"]
    created_at: datetime
    failure: str | None = None
    action_url: str | None = None


class PayoutMethodInput(Input):
    """Where withdrawn money goes: a bank token of the provider, a name for it, and your password,
    since a session alone is not enough."""

    token: BankToken
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class PayoutMethodView(View):
    """A bank account that you may withdraw to, from ``usable_from`` on."""

    id: str
    label: str
    created_at: datetime
    usable_from: datetime
    is_default: bool


class PayoutMethodPage(View):
    """All of them; there are few."""

    items: list[PayoutMethodView]


class WithdrawalInput(Input):
    """Send money from the wallet to a payout method. ``client_reference`` is your own id of it:
    used twice, the second is refused, also when the Idempotency-Key has expired."""

    amount: PositiveMoney
    payout_method: str
    client_reference: UUID | None = None


class WithdrawalView(View):
    """``pending`` can still be stopped, ``sent`` cannot. ``returned`` (the bank sent it back,
    perhaps after it was paid) and ``stopped``: the money is in the wallet again; ``failure`` says
    why. ``origin`` is ``schedule`` where the payout schedule made it."""

    id: str
    amount: Money
    state: Literal["pending", "sent", "paid", "returned", "stopped"]
    created_at: datetime
    origin: Literal["member", "schedule"]
    failure: str | None = None
    client_reference: UUID | None = None


class CardRefundInput(Input):
    """Send money that came by card back to its cards, that of the newest top-ups first."""

    amount: PositiveMoney


class CardRefundView(View):
    """What goes back of one top-up. ``failed``: the money is in the wallet again; that may come
    after ``succeeded``. ``failure`` of a pending one says why it takes longer."""

    id: str
    top_up: str
    amount: Money
    state: Literal["pending", "succeeded", "failed"]
    created_at: datetime
    failure: str | None = None


class CardRefundPage(View):
    """Newest first."""

    items: list[CardRefundView]
    next_cursor: str | None = None


Every = Literal["manual", "daily", "weekly"]


class PayoutScheduleInput(Input):
    """How often all of your withdrawable money of a currency goes to your default method."""

    currency: Currency
    every: Every


class ScheduleView(View):
    """``next_at`` is when it happens next; ``last_skipped`` is the code of why it did not happen
    last time."""

    currency: str
    every: Every
    next_at: datetime | None
    last_skipped: str | None = None


class PayoutSchedules(View):
    """By currency; what is not here is paid out by hand."""

    items: list[ScheduleView]


class WalletBalance(View):
    """One currency of a wallet, in minor units: what may be spent; what of it may be withdrawn
    (money that came by card may only be spent or go back to its card); what waits for its hold
    period; what is held for orders that you funded; what is kept back; what you owe; and what may
    still be charged back to you. The last two cannot be withdrawn."""

    currency: str
    available_minor: int
    withdrawable_minor: int
    pending_minor: int
    held_minor: int
    reserved_minor: int
    owed_minor: int
    disputed_minor: int


class WalletView(View):
    """Your money here, by currency."""

    balances: list[WalletBalance]
