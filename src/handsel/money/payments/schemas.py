"""Bodies and answers of wallet, top-ups and withdrawals."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.money import AmountMinor, Currency, Money
from handsel.foundation.core.schema import Input, View

PaymentToken = Annotated[str, msgspec.Meta(min_length=5, max_length=64, examples=["tok_ok"])]
BankToken = Annotated[str, msgspec.Meta(min_length=6, max_length=64, examples=["bank_ok"])]


class PositiveMoney(Input):
    """An amount above zero, in minor units."""

    amount_minor: AmountMinor
    currency: Currency


class TopUpInput(Input):
    """Put money into the wallet by a payment token of the provider."""

    amount: PositiveMoney
    token: PaymentToken


class TopUpView(View):
    """``pending`` until the provider has answered, which is soon; then final."""

    id: str
    amount: Money
    state: Literal["pending", "succeeded", "failed"]
    created_at: datetime
    failure: str | None = None


class PayoutMethodInput(Input):
    """Where withdrawn money goes: a bank token of the provider, and a name for it."""

    token: BankToken
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class PayoutMethodView(View):
    """A bank account that you may withdraw to."""

    id: str
    label: str
    created_at: datetime


class PayoutMethodPage(View):
    """All of them; there are few."""

    items: list[PayoutMethodView]


class WithdrawalInput(Input):
    """Send money from the wallet to a payout method."""

    amount: PositiveMoney
    payout_method: str


class WithdrawalView(View):
    """``returned`` means that the bank sent it back: the money is in the wallet again."""

    id: str
    amount: Money
    state: Literal["pending", "paid", "returned"]
    created_at: datetime
    failure: str | None = None


class WalletBalance(View):
    """One currency of a wallet, in minor units: what may be spent; what of it may be withdrawn
    (money that came by card may only be spent or go back to its card); what waits for its hold
    period; what is held for orders that you funded; what is kept back; what you owe."""

    currency: str
    available_minor: int
    withdrawable_minor: int
    pending_minor: int
    held_minor: int
    reserved_minor: int
    owed_minor: int


class WalletView(View):
    """Your money here, by currency."""

    balances: list[WalletBalance]
