"""The words of the notices, read once from ``texts.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec

Kind = Literal[
    "message_received",
    "order_moved",
    "mandate_refused",
    "date_left_out",
    "order_funded",
    "order_accepted",
    "order_declined",
    "order_expired",
    "order_revoked",
    "order_cancelled",
    "order_delivered",
    "order_objected",
    "order_refunded",
    "order_part_refunded",
    "order_shared",
    "order_approved",
    "order_settled",
    "deadline_near",
    "review_received",
    "review_published",
    "review_replied",
    "arrival_noted",
    "shared_with_you",
    "payout_method_added",
    "withdrawal_paid",
    "withdrawal_returned",
    "withdrawal_stopped",
    "withdrawal_late",
    "card_refund_failed",
    "card_refund_late",
    "sale_kept_back",
    "order_charged_back",
    "order_charged_part",
    "account_locked",
    "account_secured",
    "claim_filed",
    "claim_extended",
    "claim_upheld",
    "claim_denied",
    "claim_withdrawn",
    "dispute_opened",
    "dispute_moved",
    "chargeback_noted",
    "chargeback_opened",
    "chargeback_won",
    "chargeback_lost",
    "chargeback_lost_payer",
    "appeal_filed",
    "appeal_upheld",
    "appeal_partly",
    "appeal_denied",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_TITLE_CHARS, _BODY_CHARS = 200, 1000


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two texts of a kind, with the names of parameters in braces."""

    title: str
    body: str


@cache
def templates() -> dict[str, Template]:
    """Every kind's texts. Fails at once when a kind has none."""
    plain = tomllib.loads(files(__package__).joinpath("texts.toml").read_text("utf-8"))
    found = msgspec.convert(plain, dict[str, Template])
    assert set(found) == set(KINDS), "texts.toml and Kind name different kinds"
    return found


def words(kind: Kind, params: dict[str, Any]) -> tuple[str, str]:
    """Title and body, cut to what a notice holds. Raises ``KeyError`` for a missing parameter."""
    template = templates()[kind]
    return (
        _cut(template.title.format_map(params), _TITLE_CHARS),
        _cut(template.body.format_map(params), _BODY_CHARS),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
