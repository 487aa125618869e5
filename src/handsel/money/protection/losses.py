"""What a member has really lost: what left the wallet for a reference, less what came back."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.money.ledger.service import Account
from handsel.money.protection.errors import NothingLost
from handsel.money.protection.schemas import ClaimInput
from handsel.people.trust import service as trust

#: The ways in which a thief can move money out of a wallet, and what they refer to. Money that went
#: back to the member's own card is not lost.
KINDS: dict[str, Literal["order", "withdrawal"]] = {"hold": "order", "withdraw": "withdrawal"}

# Money that is on its way out but can still be stopped is not lost either.
_LOSSES = """
SELECT t.reference_id,
       min(t.code) FILTER (WHERE t.debit_account = $1) AS code,
       min(t.booked_at) FILTER (WHERE t.debit_account = $1) AS first_at,
       sum(CASE WHEN t.debit_account = $1 THEN t.amount ELSE -t.amount END)::bigint
           - coalesce(max(b.amount), 0) AS lost,
       bool_or(coalesce(w.state = 'pending', false)) AS stoppable
  FROM (SELECT * FROM money.transfers WHERE debit_account = $1 AND reference_id = ANY ($2)
        UNION ALL
        SELECT * FROM money.transfers WHERE credit_account = $1 AND reference_id = ANY ($2)) AS t
  LEFT JOIN money.charged_back($2) b ON b.hold_id = t.reference_id
  LEFT JOIN money.withdrawals w ON w.id = t.reference_id
 GROUP BY t.reference_id
HAVING min(t.code) FILTER (WHERE t.debit_account = $1) = ANY ($3)
 ORDER BY t.reference_id
"""


class Loss(NamedTuple):
    """One reference: ``lost`` in minor units, maybe 0; ``stoppable``: not sent to the bank yet;
    ``confirmed``: the member confirmed payee, amount and terms by password."""

    reference: UUID
    kind: Literal["order", "withdrawal"]
    first_at: datetime
    lost: int
    stoppable: bool
    confirmed: bool


async def named(tx: Tx, member_id: UUID, data: ClaimInput) -> list[Loss]:
    """The losses that a claim names, each once. Raises ``NotFound`` for what is not there,
    ``NothingLost`` for what took nothing from this member's wallet."""
    wallet = Account("wallet", member_id, data.amount.currency)
    asked = {decode("ord", text) for text in data.orders}
    asked |= {decode("wdr", text) for text in data.withdrawals}
    asked |= await _references(tx, wallet, [decode("trf", text) for text in data.transfers])
    found = await of(tx, wallet, asked)
    if len(found) < len(asked) or not all(loss.lost > 0 for loss in found):
        raise NothingLost
    return found


async def of(tx: Tx, wallet: Account, references: Collection[UUID]) -> list[Loss]:
    """What is lost now, by reference; unknown ones are absent."""
    rows = await tx.fetch(_LOSSES, wallet.id, list(references), list(KINDS))
    return [
        Loss(
            reference=row["reference_id"],
            kind=KINDS[row["code"]],
            first_at=row["first_at"],
            lost=max(row["lost"], 0),
            stoppable=row["stoppable"],
            confirmed=await trust.was_confirmed(tx, row["reference_id"]),
        )
        for row in rows
    ]


async def _references(tx: Tx, wallet: Account, transfers: list[UUID]) -> set[UUID]:
    """What transfers out of the wallet were for: a transfer and its order are one loss."""
    rows = await tx.fetch(
        "SELECT id, reference_id FROM money.transfers WHERE id = ANY ($1) AND debit_account = $2",
        transfers,
        wallet.id,
    )
    if len(rows) < len(set(transfers)):
        raise NotFound("you have no such transfer")
    return {row["reference_id"] for row in rows}
