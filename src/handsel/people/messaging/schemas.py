"""What goes in and out."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from handsel.foundation.core.schema import Input, View
from handsel.people.members.schemas import Handle

Text = Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
MemberId = Annotated[str, Meta(max_length=40, examples=["mem_0199c0ffee007000800000000000ab12"])]


class ConversationCreate(Input):
    """The first words to somebody, or the next: a pair has one conversation."""

    text: Text
    handle: Handle | UnsetType = UNSET
    member_id: MemberId | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Exactly one way to name the other."""
        if (self.handle is UNSET) == (self.member_id is UNSET):
            raise ValueError("give exactly one of handle and member_id")


class MessageCreate(Input):
    """A text to the other."""

    text: Text


class ReadInput(Input):
    """The number of the last message that was seen; what came later stays unread."""

    seq: Annotated[int, Meta(ge=0, le=2**53)]


class Card(View):
    """Something that the conversation is about, by its prefixed id."""

    kind: str
    ref: str


class MessageView(View):
    """A message. ``seq`` counts from 1 without gaps inside its conversation."""

    id: str
    seq: int
    sender_id: str
    mine: bool
    kind: Literal["text", "card"]
    text: str
    card: Card | None
    at: datetime
    hash: str


class MessagePage(View):
    """Messages of a conversation. ``next_cursor`` leads to older ones; ``after`` is for asking
    later what is new."""

    items: list[MessageView]
    next_cursor: str | None
    after: str


class Partner(View):
    """The other person in a conversation."""

    id: str
    handle: str


class ConversationView(View):
    """A conversation as one of its two sees it."""

    id: str
    partner: Partner
    unread: int
    last_message: MessageView | None
    last_message_at: datetime


class ConversationPage(View):
    """Conversations of the caller, the latest words first."""

    items: list[ConversationView]
    next_cursor: str | None


class ReadView(View):
    """What is left unread."""

    unread: int
