"""Bodies and answers of codes to pay at."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.deals.orders.schemas import Note
from handsel.foundation.core.money import AmountMinor, Currency
from handsel.foundation.core.schema import Input, View
from handsel.money.payments.schemas import PositiveMoney
from handsel.people.trust.service import TrustCard


class PayCodeInput(Input):
    """A code to be paid at. Without ``amount_minor`` the payer says how much; ``listing_id`` is
    what is sold, one of your live listings; without ``expires_at`` it is good until revoked."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=80, examples=["Coffee stall"])]
    currency: Currency
    amount_minor: AmountMinor | None = None
    listing_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    expires_at: datetime | None = None


class PayCodeView(View):
    """A code of yours. ``url`` is what its picture at ``qr`` says."""

    id: str
    code: str
    url: str
    qr: str
    label: str
    currency: str
    amount_minor: int | None
    listing_id: str | None
    state: Literal["active", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime | None


class PayCodePage(View):
    """Newest first."""

    items: list[PayCodeView]
    next_cursor: str | None = None


class PayeeView(View):
    """Who is paid by a code, for what and how much, and what is known of them."""

    code: str
    payee_id: str
    payee: str
    label: str
    currency: str
    amount_minor: int | None
    listing_id: str | None
    trust: TrustCard


class CodePaymentInput(Input):
    """Pay at a code. ``amount`` is needed where the code names none; else it must be the code's."""

    amount: PositiveMoney | None = None
    note: Note = ""
