"""``handsel staff``: who may decide about other people's money, claims, appeals and models.

Whoever owns the database appoints them; the service itself cannot (its role may not). Each
appointment is in the audit chain.
"""

from typing import TypeVar

from handsel.foundation import audit
from handsel.foundation.db.pool import OWNER_ROLE
from handsel.foundation.db.uow import Tx
from handsel.front.cli.transaction import run_in
from handsel.people.members import service as members

T = TypeVar("T")


def list_staff(url: str) -> list[str]:
    """The handles of all members of staff, by name."""

    async def work(tx: Tx) -> list[str]:
        rows = await tx.fetch("SELECT handle FROM people.members WHERE is_staff ORDER BY handle")
        return [row["handle"] for row in rows]

    return run_in(url, work, role=OWNER_ROLE)


def set_staff(url: str, handle: str, *, staff: bool) -> bool:
    """Appoint or dismiss a member; whether that changed anything. Raises ``UserError``."""

    async def work(tx: Tx) -> bool:
        member = await members.find(tx, handle)
        changed = await tx.fetchval(
            "UPDATE people.members SET is_staff = $2 WHERE id = $1 AND is_staff <> $2 RETURNING id",
            member.id,
            staff,
        )
        if changed is None:
            return False
        act = "staff_appointed" if staff else "staff_dismissed"
        audit.record(tx, "members", act, {"handle": handle}, subject_id=member.id)
        return True

    return run_in(url, work, role=OWNER_ROLE)
