"""Bodies and answers of disputes."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from handsel.deals.disputes.rulings import BondShare, FaultOf, ReasonCode, Ruling, Split
from handsel.deals.orders.schemas import Deadline
from handsel.foundation.core.money import Money
from handsel.foundation.core.schema import Input, View

EvidenceKind = Literal["text", "upload", "event_log", "chat"]
Audience = Literal["both", "staff"]
PartyRole = Literal["claimant", "respondent"]
Note = Annotated[str, msgspec.Meta(max_length=2000)]
IdentityField = Literal["email", "phone", "verified", "joined_at"]

_GOES_WITH: dict[EvidenceKind, set[str]] = {
    "text": {"text"},
    "upload": {"sha256"},
    "event_log": set(),
    "chat": {"message_ids"},
}


class EvidenceInput(Input):
    """Something that speaks for you: words (``text``); the SHA-256 of a file that you keep
    (``sha256``); the order's own timeline as it is now (``event_log``); messages of the two of you
    (``message_ids``), which carry hashes of their own. ``visible_to`` staff: the other side is told
    that there is something, and not what."""

    kind: EvidenceKind
    visible_to: Audience = "both"
    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)] | None = None
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    message_ids: (
        Annotated[
            list[Annotated[str, msgspec.Meta(max_length=64)]],
            msgspec.Meta(min_length=1, max_length=50),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        """Each kind has its own content, and no other."""
        given = {name for name in ("text", "sha256", "message_ids") if getattr(self, name)}
        if given != _GOES_WITH[self.kind]:
            raise ValueError(f"{self.kind} goes with {sorted(_GOES_WITH[self.kind]) or 'nothing'}")


class DisputeInput(Input):
    """Open a dispute: why, what happened, how you would share the money, and what shows it."""

    reason_code: ReasonCode
    statement: Annotated[str, msgspec.Meta(min_length=3, max_length=5000, pattern=r"\S")]
    request: Split
    evidence: Annotated[list[EvidenceInput], msgspec.Meta(max_length=10)] = msgspec.field(
        default_factory=list
    )


class DisputeMoveInput(Input):
    """A move. ``split`` is an offer's: of ``answer`` (where you make one), ``offer``, ``counter``
    and ``propose``; ``offer`` is the id of the one that ``accept`` accepts; ``ruling`` is what
    staff rule."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40, examples=["answer"])]
    note: Note = ""
    split: Split | None = None
    offer: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    ruling: Ruling | None = None


class EvidenceView(View):
    """A piece of evidence. ``content`` is absent where it is for the staff alone, and in the
    staff's view of a case until they ask for it, which both parties see in the timeline."""

    id: str
    kind: EvidenceKind
    by: Literal["claimant", "respondent", "staff"]
    visible_to: Audience
    title: str
    sha256: str
    at: datetime
    content: dict[str, Any] | None = None


class OfferView(View):
    """An offer, or a proposal of the staff's. ``agreed``: who has said yes to a proposal."""

    id: str
    by: Literal["claimant", "respondent", "staff"]
    split: Split
    note: str
    state: Literal["live", "accepted", "declined", "replaced", "over"]
    agreed: list[PartyRole]
    made_at: datetime
    valid_until: datetime


class RulingView(View):
    """What was ruled."""

    split: Split
    reason_code: ReasonCode
    fault: FaultOf
    claimant_fault_bps: int
    respondent_fault_bps: int


class OutcomeView(View):
    """How it ended: who got what of the money that waited, and each one's part of the fault.
    Without amounts the order went its own way: its timeline says where the money went."""

    by: str
    customer_minor: int | None
    provider_minor: int | None
    bonds: list[BondShare]
    claimant_fault_bps: int
    respondent_fault_bps: int


class PartyView(View):
    """One of the two."""

    id: str
    handle: str
    order_role: Literal["customer", "provider"]


class DisputeView(View):
    """A dispute as one of its parties sees it, or the staff. ``promise`` says what happens next if
    nobody moves."""

    id: str
    order_id: str
    state: str
    version: int
    process: str
    your_role: Literal["claimant", "respondent", "staff"]
    claimant: PartyView
    respondent: PartyView
    reason_code: ReasonCode
    statement: str
    held: Money
    sold: bool
    request: Split
    promise: str
    waits_for: Literal["claimant", "respondent", "staff"] | None
    your_moves: list[str]
    offers: list[OfferView]
    evidence: list[EvidenceView]
    opened_at: datetime
    entered_at: datetime
    next_deadline: Deadline | None = None
    ruling: RulingView | None = None
    outcome: OutcomeView | None = None
    ended_at: datetime | None = None


class DisputeSummary(View):
    """A dispute in a list."""

    id: str
    order_id: str
    state: str
    your_role: Literal["claimant", "respondent", "staff"]
    reason_code: ReasonCode
    held: Money
    waits_for: Literal["claimant", "respondent", "staff"] | None
    opened_at: datetime
    deadline: datetime | None
    taken_by_you: bool = False


class DisputePage(View):
    """Newest first; the desk's queue: the nearest deadline first."""

    items: list[DisputeSummary]
    next_cursor: str | None = None


class DisputeMove(View):
    """A line of the timeline: a move, something shown, or something that staff looked at."""

    transition: str
    from_state: str | None
    to_state: str
    by: Literal["claimant", "respondent", "staff", "system"]
    at: datetime
    note: str | None
    body: dict[str, Any]


class DisputeTimeline(View):
    """Oldest first."""

    items: list[DisputeMove]


class IdentityView(View):
    """One field of somebody's identity, shown to the staff because the case needs it."""

    of: PartyRole
    field: IdentityField
    value: str
