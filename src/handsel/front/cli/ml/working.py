"""What the commands of the register share: who acts, and one transaction over database and shelf.

Who acts is named by ``--as``: a member of staff. Whoever may use the command line is trusted to say
who they are; that two different ones approve is checked in the database.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx
    from handsel_ml.registry.shelf import Shelf

T = TypeVar("T")
Work = Callable[["Tx", "Shelf"], Awaitable[T]]
Model = Annotated[str, typer.Argument(help="Its id; `handsel ml candidates` lists them.")]
Staff = Annotated[str, typer.Option("--as", help="The handle of a member of staff.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


async def member(tx: "Tx", handle: str) -> UUID | None:
    """Who acts; None for whoever has the command line."""
    from handsel.people.members import service as members

    if not handle:
        return None
    found = await members.find_staff(tx, handle)
    if found is None:
        raise UserError(f"{handle} is no member of staff.")
    return found


def run(work: "Work[T]") -> T:
    """One transaction over this house's database and shelf."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.transaction import run_in
    from handsel.people.credit.models import shelf_in

    settings = load()
    shelf = shelf_in(settings.home)
    return run_in(open_database(settings), lambda tx: work(tx, shelf))
