"""``handsel ml benchmark-trust | trust | seed``: the trust graph, on a file and in the house.

Who acts is named by ``--as``: a member of staff. Whoever may use the command line is trusted to say
who they are; that two different ones vet a seed is checked in the database.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.console import say, step

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx
    from handsel.people.credit.graph import TrustRun
    from handsel_ml.graph.benchmark import TrustBenchmark

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("benchmark-trust")(benchmark_trust)
    app.command()(trust)
    app.command()(seed)


def benchmark_trust(
    ratings: Annotated[Path, typer.Argument(help="CSV: rater, target, rating, unix time, …")],
    as_json: Json = False,
) -> None:
    """How well the past foresees complaints, and whether a standing can be bought."""
    from handsel_ml.errors import GraphRefused
    from handsel_ml.graph.benchmark import benchmark_trust

    try:
        with step(f"Judging {ratings.name}") as progress:
            found = benchmark_trust(ratings, progress)
    except GraphRefused as error:
        raise UserError(f"{ratings} cannot be judged: {error.detail} ({error.code}).") from None
    print(msgspec.json.encode(found).decode() if as_json else _told(found))


def trust(
    as_of: Annotated[
        str, typer.Option("--as-of", help="A date or time in UTC; without one, now.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a snapshot of the house's own trust graph. The worker does it every night."""
    moment = _moment(as_of)

    async def work(tx: "Tx") -> "TrustRun":
        from handsel.people.credit import graph

        return await graph.snapshot(tx, moment or tx.now)

    with step("Walking the trust graph"):
        run = _run(work)
    if as_json:
        print(msgspec.json.encode(run._asdict()).decode())
        return
    made = f"{run.members} members" if run.claimed else "nothing claimed, there are too few"
    print(f"{run.as_of:%Y-%m-%d %H:%M} {run.method}: {run.deals} deals, {run.seeds} seeds; {made}")


def seed(
    member: Annotated[str, typer.Argument(help="The handle of a member whom staff has vetted.")],
    staff: Annotated[str, typer.Option("--as", help="The handle of a member of staff.")],
    end: Annotated[bool, typer.Option("--end", help="Vouch for them no longer.")] = False,
) -> None:
    """Propose a member from whom trust starts, or approve what a colleague proposed."""

    async def work(tx: "Tx") -> bool:
        from handsel.people.credit import graph
        from handsel.people.members import service as members

        by = await members.find_staff(tx, staff)
        if by is None:
            raise UserError(f"{staff} is no member of staff.")
        vetted = (await members.find(tx, member)).id
        if end:
            await graph.end_seed(tx, by, vetted)
            return False
        return await graph.propose_seed(tx, by, vetted)

    approved = _run(work)
    if end:
        say(f"{member} is no seed of trust any more.")
    elif approved:
        say(f"{member} is a seed of trust.")
    else:
        say("Now a second member of staff has to say the same.")


def _told(found: "TrustBenchmark") -> str:
    lines = [f"{name:<18} AUC {value:.4f}" for name, value in found.auc.items()]
    bought = found.sybil
    lines.append(
        f"{bought.score}: moved {bought.moved_by_50:.4f} by 50 fakes,"
        f" {bought.moved_by_5_colluders:.4f} by 5 colluders"
    )
    return "\n".join(lines)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text} is no date or time; write it like 2026-03-01T12:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _run(work: "Callable[[Tx], Awaitable[T]]") -> T:
    from handsel.front.cli.database import open_database
    from handsel.front.cli.transaction import run_in

    return run_in(open_database(load()), work)
