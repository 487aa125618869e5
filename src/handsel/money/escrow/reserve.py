"""The rolling reserve: whose sales are kept back in part, why, for how long.

``escrow.settle_many`` keeps the share and ``money.release_reserves`` gives it back; both are SQL,
set-based. What is left of a member's reserves in a currency is the balance of the reserve account.
"""

import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation import audit
from handsel.foundation.core.errors import Invalid
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import errors as _errors  # noqa: F401 - names what SQL refuses
from handsel.money.escrow.fees import Bps
from handsel.people.trust import service as trust

_LONGEST = timedelta(days=730)


class AfterLostChargeback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of each tier, and how long after the loss it is kept of new sales."""

    for_time: timedelta
    bps: dict[str, Bps]


class ReservePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``reserve.toml``."""

    general_bps: Bps
    keep: timedelta
    after_lost_chargeback: AfterLostChargeback


@cache
def policy() -> ReservePolicy:
    """The reserve policy of this release."""
    text = Path(__file__).with_name("reserve.toml").read_text()
    return msgspec.convert(tomllib.loads(text), ReservePolicy)


async def note_lost_chargeback(tx: Tx, member_id: UUID, chargeback_id: UUID) -> int:
    """From now on a part of this seller's sales is kept, as the policy has it for their tier; the
    part, in ten-thousandths."""
    rule = policy().after_lost_chargeback
    tier = (await trust.payouts_of(tx, member_id)).tier
    bps = rule.bps[tier.name]
    await _set(tx, member_id, bps, rule.for_time, f"lost chargeback {chargeback_id}", None)
    return bps


async def set_share(
    tx: Tx, member_id: UUID, bps: int, for_time: timedelta, reason: str, actor_id: UUID
) -> None:
    """Risk staff have a part of somebody's sales kept. Raises ``Invalid`` without a reason."""
    if not reason.strip() or not 0 < bps <= 10_000 or not timedelta(0) < for_time <= _LONGEST:
        raise Invalid("a share needs ten-thousandths, a time of at most two years, and a reason")
    await _set(tx, member_id, bps, for_time, reason, actor_id)


async def end_share(tx: Tx, share_id: UUID, reason: str, actor_id: UUID) -> None:
    """Keep no more of somebody's sales; what is kept already comes back at its own time."""
    member_id = await tx.fetchval(
        "UPDATE money.reserve_shares SET ends_at = $2 WHERE id = $1 AND ends_at > $2"
        " RETURNING member_id",
        share_id,
        tx.now,
    )
    if member_id is None:
        raise Invalid("there is no such share, or it has ended")
    body = {"share_id": share_id, "reason": reason}
    audit.record(tx, "money", "end_reserve_share", body, subject_id=member_id, actor_id=actor_id)


def take(tx: Tx, member_id: UUID, unit: str, amount_minor: int) -> None:
    """A chargeback takes from the reserve: note it, before the posting from the reserve account."""
    types = ("uuid", "text", "bigint")
    tx.call("money.take_reserve", types, member_id, unit, amount_minor)


def give_back(tx: Tx, member_id: UUID, unit: str, amount_minor: int) -> None:
    """What a chargeback took is in the reserve account again: note that too."""
    types = ("uuid", "text", "bigint")
    tx.call("money.give_back_reserve", types, member_id, unit, amount_minor)


async def release_due(conn: asyncpg.Connection, limit: int = 500) -> int:
    """Give back what was kept long enough; how many amounts. For the sweep."""
    released: int = await conn.fetchval("SELECT money.release_reserves($1)", limit)
    return released


async def _set(
    tx: Tx, member_id: UUID, bps: int, for_time: timedelta, reason: str, actor_id: UUID | None
) -> None:
    share_id = await tx.fetchval(
        "INSERT INTO money.reserve_shares (member_id, bps, keep, reason, actor_id, set_at, ends_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        member_id,
        bps,
        policy().keep,
        reason,
        actor_id,
        tx.now,
        tx.now + for_time,
    )
    body = {"share_id": share_id, "bps": bps, "reason": reason}
    audit.record(tx, "money", "set_reserve_share", body, subject_id=member_id, actor_id=actor_id)
