"""``handsel staff``: who may decide about other people's money, claims, appeals and models.

Whoever owns the database appoints them; the service itself cannot (its role may not). Each
appointment is in the audit chain.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from handsel.foundation.core.settings import load
from handsel.front.cli.console import say

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx

T = TypeVar("T")
app = typer.Typer(help="Who works here.", no_args_is_help=True)


@app.command("list")
def list_staff() -> None:
    """The members of staff, a handle each line."""

    async def work(tx: "Tx") -> list[str]:
        rows = await tx.fetch("SELECT handle FROM people.members WHERE is_staff ORDER BY handle")
        return [row["handle"] for row in rows]

    print(*_as_owner(work), sep="\n")


@app.command()
def appoint(handle: Annotated[str, typer.Argument(help="A member.")]) -> None:
    """Make a member one of the staff."""
    changed = _set(handle, staff=True)
    say(f"{handle} is one of the staff{'' if changed else ' already'}.")


@app.command()
def dismiss(handle: Annotated[str, typer.Argument(help="A member of staff.")]) -> None:
    """Make one of the staff a member like any other."""
    _set(handle, staff=False)
    say(f"{handle} is not one of the staff.")


def _set(handle: str, *, staff: bool) -> bool:
    """Whether that changed anything. Raises ``UserError`` for somebody unknown."""

    async def work(tx: "Tx") -> bool:
        from handsel.foundation import audit
        from handsel.people.members import service as members

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

    return _as_owner(work)


def _as_owner(work: "Callable[[Tx], Awaitable[T]]") -> T:
    from handsel.foundation.db.pool import OWNER_ROLE
    from handsel.front.cli.database import open_database
    from handsel.front.cli.transaction import run_in

    return run_in(open_database(load()), work, role=OWNER_ROLE)
