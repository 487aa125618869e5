"""``handsel appeals``: what staff do with appeals against scores until the desk is there.

Who acts is named by ``--as``: a member of staff. Whoever may use the command line is trusted to say
who they are; that two different members change a score is checked here as everywhere.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

from handsel.foundation.core.errors import Problem, UserError
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.settings import load
from handsel.front.cli.console import say

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx

T = TypeVar("T")
app = typer.Typer(help="Appeals against scores, for staff.", no_args_is_help=True)
_Appeal = Annotated[str, typer.Argument(help="Its id, apl_….", show_default=False)]
_Staff = Annotated[str, typer.Option("--as", help="Your handle.", show_default=False)]
_Answer = Annotated[str, typer.Option(help="Why, in words to the member.", show_default=False)]


@app.command("list")
def list_appeals(
    staff: _Staff,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Open appeals, the most urgent first. That you looked is logged."""
    import msgspec
    import rich
    from rich.table import Table

    from handsel.people.credit import deciding

    found = _run(staff, deciding.waiting)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    table = Table(box=None)
    table.add_column("appeal", min_width=len(found[0].id) if found else 0)  # to be copied whole
    for column in ("score", "facts", "deadline", "what the member says"):
        table.add_column(column)
    for appeal in found:
        due = f"{appeal.deadline_at:%Y-%m-%d}"
        table.add_row(appeal.id, appeal.about, str(len(appeal.facts)), due, appeal.text[:60])
    rich.print(table)
    say(f"{len(found)} open appeals")


@app.command("show")
def show_appeal(appeal: _Appeal, staff: _Staff) -> None:
    """An appeal as its member sees it, and what is proposed, with the digest by which it is
    confirmed. That you looked is logged."""
    import msgspec

    from handsel.people.credit import deciding

    wanted = _id("apl", appeal)
    view, proposal = _run(staff, lambda tx, by: deciding.read(tx, by, wanted))
    shown: dict[str, Any] = {"appeal": view, "proposal": None}
    if proposal is not None:
        shown["proposal"] = {
            "digest": proposal.digest(),
            "proposed_by": encode("mem", proposal.proposed_by),
            "facts": [encode("fct", fact) for fact in proposal.facts],
            "answer": proposal.answer,
        }
    print(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


@app.command("propose")
def propose(
    appeal: _Appeal,
    staff: _Staff,
    answer: _Answer,
    fact: Annotated[
        list[str] | None, typer.Option(help="A fact that is wrong; several may be given.")
    ] = None,
) -> None:
    """Propose to uphold it and to take facts out; somebody else of the staff confirms."""
    from handsel.people.credit import deciding

    wanted = _id("apl", appeal)
    facts = [_id("fct", one) for one in fact or ()]
    _run(staff, lambda tx, by: deciding.propose(tx, by, wanted, facts, answer))
    say("Now a second member of staff has to confirm it.")


@app.command("confirm")
def confirm(
    appeal: _Appeal,
    staff: _Staff,
    proposal: Annotated[
        str, typer.Option(help="The digest of what you have seen: see show.", show_default=False)
    ],
) -> None:
    """Confirm what somebody else has proposed and you have seen: it takes effect."""
    from handsel.people.credit import deciding

    wanted = _id("apl", appeal)
    outcome = _run(staff, lambda tx, by: deciding.confirm(tx, by, wanted, proposal))
    say(f"{appeal} is {'partly upheld' if outcome == 'partly' else outcome}.")


@app.command("deny")
def deny(appeal: _Appeal, staff: _Staff, answer: _Answer) -> None:
    """Deny it; nothing changes, and the member is told why."""
    from handsel.people.credit import deciding

    wanted = _id("apl", appeal)
    _run(staff, lambda tx, by: deciding.deny(tx, by, wanted, answer))
    say(f"{appeal} is denied.")


def _id(prefix: str, text: str) -> UUID:
    """The id behind what was typed. Raises ``UserError``."""
    try:
        return decode(prefix, text)
    except Problem as problem:
        raise UserError(f"{text} is not an id: {problem.detail}.") from None


def _run(staff: str, work: "Callable[[Tx, UUID], Awaitable[T]]") -> T:
    from handsel.front.cli.database import open_database
    from handsel.front.cli.transaction import run_in
    from handsel.people.members import service as members

    async def known(tx: "Tx") -> T:
        by = await members.find_staff(tx, staff)
        if by is None:
            raise UserError(f"{staff} is no member of staff.")
        return await work(tx, by)

    return run_in(open_database(load()), known)
