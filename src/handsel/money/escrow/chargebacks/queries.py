"""Rows of chargebacks, and what the ledger tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow.chargebacks.attribution import Line, Place, attribute
from handsel.money.escrow.chargebacks.waterfall import Held, Kind, Part
from handsel.money.ledger.service import Account

#: What a chargeback moves; word for word the predicate of the index ``transfers_of_chargebacks``.
CODES = (
    "code IN ('dispute_taken', 'dispute_returned', 'contest', 'contest_returned', 'contest_earned',"
    " 'contest_earned_returned', 'dispute_covered', 'dispute_owed')"
)


@dataclass(slots=True)
class Chargeback:
    """A row. ``state``: open, evidence_sent, won, lost, accepted."""

    id: UUID
    provider_reference: str
    top_up_id: UUID
    member_id: UUID
    amount: int
    unit: str
    reason: str
    round: int
    state: str
    accepted_at: datetime | None
    evidence_due_at: datetime
    evidence_ready_at: datetime | None
    evidence_sent_at: datetime | None
    opened_at: datetime
    decided_at: datetime | None
    said_at: datetime

    @property
    def runs(self) -> bool:
        """Not decided yet."""
        return self.state in ("open", "evidence_sent")

    @property
    def contested(self) -> Account:
        """Where its money is set aside."""
        return Account("contested", self.id, self.unit)


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of the running round; ``gone_back`` of a hold's part came back to the payer."""

    part: Part
    seller: UUID | None
    gone_back: int
    facts: dict[str, Any] | None

    @property
    def rest(self) -> int:
        """What is still where it was."""
        return self.part.amount - self.gone_back


COLUMNS = ", ".join(Chargeback.__dataclass_fields__)


async def lock(tx: Tx, reference: str) -> Chargeback | None:
    """By the provider's reference, locked; the top-up is locked before."""
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM money.chargebacks WHERE provider_reference = $1 FOR NO KEY UPDATE",
        reference,
    )
    return Chargeback(**dict(row)) if row else None


async def lock_by_id(tx: Tx, chargeback_id: UUID) -> Chargeback | None:
    """The row, locked."""
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM money.chargebacks WHERE id = $1 FOR NO KEY UPDATE", chargeback_id
    )
    return Chargeback(**dict(row)) if row else None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What other chargebacks of the same top-up hold or have taken; ``still`` is, by place, what of
    it they have not set aside."""

    amount: int
    still: dict[Place, int]


async def claimed_by_others(tx: Tx, top_up_id: UUID, but: str) -> Claimed:
    """What nobody else may claim of a top-up."""
    rows = await tx.fetch(
        "SELECT p.place, p.hold_id, p.amount, p.amount - p.gone_back AS still"
        " FROM money.chargebacks c"
        " JOIN money.chargeback_parts p ON p.chargeback_id = c.id AND p.round = c.round"
        " WHERE c.top_up_id = $1 AND c.state <> 'won' AND c.provider_reference <> $2"
        " AND p.place <> 'untraced'",
        top_up_id,
        but,
    )
    still: dict[Place, int] = {}
    for row in rows:
        if row["place"] == "hold":
            place: Place = ("hold", row["hold_id"])
            still[place] = still.get(place, 0) + row["still"]
    return Claimed(sum(row["amount"] for row in rows), still)


async def parts(tx: Tx, chargeback: Chargeback) -> list[PartRow]:
    """Where the money was when this round began."""
    rows = await tx.fetch(
        "SELECT place, amount, hold_id, seller_id, gone_back, facts FROM money.chargeback_parts"
        " WHERE chargeback_id = $1 AND round = $2 ORDER BY id",
        chargeback.id,
        chargeback.round,
    )
    return [
        PartRow(
            Part(r["place"], r["amount"], r["hold_id"]), r["seller_id"], r["gone_back"], r["facts"]
        )
        for r in rows
    ]


_LINES = """
SELECT code, about, delta FROM (
    SELECT seq, code, about, after - lag(after, 1, 0::bigint) OVER (ORDER BY seq) AS delta FROM (
        SELECT seq, code, coalesce(hold_id, reference_id) AS about, credit_restricted AS after
          FROM money.transfers WHERE credit_account = $1
        UNION ALL
        SELECT seq, code, coalesce(hold_id, reference_id), debit_restricted
          FROM money.transfers WHERE debit_account = $1) AS side) AS line
 WHERE delta <> 0 ORDER BY seq
"""


async def places(tx: Tx, payer: UUID, unit: str) -> dict[UUID, dict[Place, int]]:
    """Every top-up of a payer to where its money is. Stable while the payer's wallet is locked."""
    lines = await tx.fetch(_LINES, Account("wallet", payer, unit).id)
    known = await tx.fetch(
        "SELECT id, top_up_id FROM money.card_refunds WHERE member_id = $1"
        " UNION ALL SELECT id, top_up_id FROM money.chargebacks WHERE member_id = $1",
        payer,
    )
    return attribute((Line(*row) for row in lines), {r["id"]: r["top_up_id"] for r in known})


_HOLDS = """
SELECT h.id, h.reference_id, h.state, h.payee_id, h.released, h.pending,
       coalesce(k.kept, '[]') AS kept
  FROM money.holds h CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(a.kind, t.amount) ORDER BY t.seq) AS kept
      FROM money.transfers t JOIN money.accounts a ON a.id = t.credit_account AND a.folded
     WHERE t.debit_account = h.escrow_account AND t.hold_id = h.id) AS k
 WHERE h.id = ANY ($1)
"""


async def lock_holds(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """The holds, locked until the transaction ends."""
    if not ids:
        return {}
    await tx.execute("SELECT money.lock_holds($1)", list(ids))
    rows = await tx.fetch(_HOLDS, list(ids))
    return {
        r["id"]: Held(
            r["id"], r["reference_id"], r["state"], r["payee_id"], r["released"], r["pending"],
            tuple((kind, amount) for kind, amount in r["kept"]),
        )
        for r in rows
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bearers:
    """What is on the accounts of those who may have to bear it, how much of each wallet is card
    money, and how much of each reserve was taken out of amounts whose time is not over."""

    balances: dict[tuple[UUID, Kind], int]
    restricted: dict[UUID, int]
    taken: dict[UUID, int]


async def lock_bearers(tx: Tx, members: Sequence[UUID], unit: str) -> Bearers:
    """Their reserves and wallets, locked."""
    rows = await tx.fetch("SELECT * FROM money.lock_bearers($1, $2)", sorted(set(members)), unit)
    return Bearers(
        {(r["member_id"], r["kind"]): r["balance"] for r in rows},
        {r["member_id"]: r["restricted"] for r in rows if r["kind"] == "wallet"},
        {r["member_id"]: r["taken"] for r in rows if r["kind"] == "reserve"},
    )


_SET_ASIDE = f"""
SELECT a.owner_id AS member, a.kind, t.code = 'contest' AS carded, sum(t.amount)::bigint AS amount
  FROM money.transfers t JOIN money.accounts a ON a.id = t.debit_account
 WHERE t.reference_id = $1 AND t.{CODES} AND t.code IN ('contest', 'contest_earned')
   AND t.seq > (SELECT max(o.seq) FROM money.transfers o
                 WHERE o.reference_id = $1 AND o.{CODES} AND o.code = 'dispute_taken')
 GROUP BY a.owner_id, a.kind, t.code ORDER BY a.owner_id, a.kind, t.code
"""


class Aside(NamedTuple):
    """What is set aside of somebody's account; ``carded``: it is card money."""

    member: UUID
    kind: Kind
    carded: bool
    amount: int


async def set_aside(tx: Tx, chargeback: Chargeback) -> list[Aside]:
    """What this round has set aside, by whose it was and out of which account."""
    return [Aside(*row) for row in await tx.fetch(_SET_ASIDE, chargeback.id)]


async def still_held(tx: Tx, limit: int) -> list[UUID]:
    """Orders whose money a lost chargeback has taken and that still hold it: those whose payer's
    wallet takes it again."""
    rows = await tx.fetch(
        "SELECT DISTINCT h.reference_id FROM money.holds h"
        " JOIN money.chargeback_parts p ON p.hold_id = h.id AND p.gone_back < p.amount"
        " JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round"
        " JOIN money.accounts a ON a.id = h.payer_account AND a.state = 'open'"
        " WHERE h.disputed_at IS NOT NULL AND h.state = 'open' AND c.state IN ('lost', 'accepted')"
        " ORDER BY h.reference_id LIMIT $1",
        limit,
    )
    return [row["reference_id"] for row in rows]
