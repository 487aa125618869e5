"""What goes from person to person and is no sale: gifts, and hours instead of money.

No fee, nothing pending: what is held arrives whole. Card money that is given stays card money;
hours are counted in minutes, on accounts of their own that neither a card nor a bank can reach.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handsel.foundation.core.money import MINUTE
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Account, Resolution


def arrive(tx: Tx, order_id: UUID, payee_id: UUID) -> None:
    """All that is left of an order's hold to the payee, at once. Refused with ``payment_disputed``
    while a chargeback runs, with ``hold_resolved`` a second time."""
    tx.call("money.arrive", ("uuid", "uuid"), order_id, payee_id)


def hold_time(tx: Tx, order_id: UUID, payer_id: UUID, minutes: int, expires_at: datetime) -> None:
    """From the payer's hours into the order's escrow. Refused below the floor of the account."""
    account, escrow = Account("time", payer_id, MINUTE), Account("escrow", order_id, MINUTE)
    ledger.open_accounts(tx, [account, escrow])
    ledger.open_hold(tx, order_id, account, escrow, minutes, expires_at)


def refund_time(
    tx: Tx, order_id: UUID, payer_id: UUID, minutes: int, *, expired: bool = False
) -> None:
    """All that is left of the held hours back to the payer."""
    state: Resolution = "expired" if expired else "refunded"
    account = Account("time", payer_id, MINUTE)
    ledger.resolve_hold(tx, order_id, state, [("refund", account, minutes)])


@dataclass(frozen=True, slots=True)
class TimeAccount:
    """A member's hours, in minutes: given less taken, what of it is held, and how low it may go."""

    balance: int
    held: int
    floor: int

    @property
    def available(self) -> int:
        """What may be taken before something must be given."""
        return self.balance - self.floor


async def time_account(conn: Connection, member_id: UUID) -> TimeAccount:
    """A member's hours; who has never dealt in hours has none."""
    row = await conn.fetchrow(
        "SELECT coalesce(a.balance, 0) AS balance, k.min_balance AS floor, coalesce(("
        " SELECT sum(h.amount - h.refunded) FROM money.holds h"
        " WHERE h.payer_account = a.id AND h.state = 'open'), 0)::bigint AS held"
        " FROM money.account_kinds k LEFT JOIN money.accounts a ON a.id = $1"
        " WHERE k.kind = 'time'",
        Account("time", member_id, MINUTE).id,
    )
    assert row is not None
    return TimeAccount(**dict(row))


async def lock_time(tx: Tx, member_id: UUID) -> TimeAccount:
    """The same; nobody else takes hours of this member until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 74))", str(member_id))
    return await time_account(tx.conn, member_id)
