"""People and payments for the tests of trust."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from handsel.foundation.db.uow import Tx
from handsel.people import trust
from handsel.people.members.schemas import Kind
from handsel.people.trust.schemas import Party, Payment, ScoreSeen, Standing
from handsel.people.trust.table import PolicyFile
from tests.factories.members import Member, add_member

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TERMS = b"\x07" * 32
POLICY = PolicyFile(Path(trust.__file__).with_name("tiers.toml")).current()

T1_KINDS: tuple[Kind, ...] = ("phone", "id_document")
T2_KINDS: tuple[Kind, ...] = ("phone", "id_document", "bank_account")
T4_KINDS: tuple[Kind, ...] = ("phone", "id_document", "bank_account", "address")
#: settled orders, counterparties, days since the first one: just enough for the tier.
RECORDS = {"T3": (10, 6, 60), "T4": (50, 25, 180), "T5": (200, 80, 365)}


def scored(points: int, low: int | None = None) -> ScoreSeen:
    """A score whose cautious end is ``low``, by default the score itself."""
    return ScoreSeen(state="scored", points=points, low=points if low is None else low, band="x")


def party(
    verified: tuple[str, ...] = T1_KINDS,
    *,
    days: int = 0,
    record: str | None = None,
    **changes: Any,
) -> Party:
    """A member who joined ``days`` ago; ``record``: with the track record that this tier asks."""
    settled, people, since = RECORDS[record] if record else (0, 0, 0)
    made = Party(
        member_id=uuid4(),
        verified=verified,
        joined_at=NOW - timedelta(days=max(days, since)),
        settled_orders=settled,
        counterparties=people,
        first_settled_at=NOW - timedelta(days=since) if record else None,
    )
    return msgspec.structs.replace(made, **changes)


def standing(
    payer: Party, payee: Party | None = None, *, used: tuple[int, int] = (0, 0), known: bool = False
) -> Standing:
    """What the gate sees; ``used`` are the sums of 24 hours and 30 days."""
    return Standing(
        decision_id=uuid4(),
        now=NOW,
        payer=payer,
        payee=payee or party(),
        used_24h_minor=used[0],
        used_30d_minor=used[1],
        known_payee=known,
    )


def payment(amount_minor: int, currency: str = "EUR", **changes: Any) -> Payment:
    """A payment between two strangers, or between those in ``changes``."""
    fields: dict[str, Any] = {
        "payer_id": uuid4(),
        "payee_id": uuid4(),
        "amount_minor": amount_minor,
        "currency": currency,
        "terms_hash": TERMS,
        "reference_id": uuid4(),
    }
    return Payment(**fields | changes)


async def pair(tx: Tx) -> tuple[Member, Member]:
    """A buyer and a seller, both T1."""
    return await add_member(tx, verified=T1_KINDS), await add_member(tx, verified=T1_KINDS)


async def give_scores(
    tx: Tx, member_id: UUID, *, financial: tuple[int, int], social: tuple[int, int]
) -> None:
    """Store a snapshot with these (points, low)."""
    for kind, (points, low) in (("financial", financial), ("social", social)):
        await tx.execute(
            "SELECT people.record_score($1, foundation.handsel_now(), $2, 'scored', $3, 'fair', $4,"
            " 950, 0.1, 5, '[]', $2 || '-test', 'sha', '{1}', NULL, 5, NULL)",
            member_id,
            kind,
            points,
            low,
        )
