"""``handsel ml gates | replay``: a challenger held against its champion, decisions made again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.front.cli.console import say, step
from handsel.front.cli.ml.working import Json, Model, Staff, member, run

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx
    from handsel_ml.registry.gates import GateTable
    from handsel_ml.registry.shelf import Shelf


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(gates)
    app.command()(replay)


def gates(
    model: Model,
    explained: Annotated[
        list[str] | None, typer.Option(help="A feature whose drift a person has explained.")
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(help="Judge on this export of facts (`handsel ml export`), not on a town."),
    ] = None,
    staff: Staff = "",
    as_json: Json = False,
) -> None:
    """Judge a challenger against the champion, on deals opened after it was trained.

    Exit status 1 where a gate is not passed. The judgement is kept with the model.
    """
    table = _judge(model, tuple(explained or ()), facts, staff)
    if as_json:
        print(msgspec.json.encode(table).decode())
    else:
        _show(table)
    sys.exit(0 if table.passed else 1)


def replay(
    decision: Annotated[str, typer.Argument(help="dec_…; without it, the newest ones.")] = "",
    last: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=10_000)] = 1,
    as_json: Json = False,
) -> None:
    """Make decisions again out of facts, models and policy; exit status 1 where a bit differs."""
    from handsel.foundation.core.ids import decode, encode
    from handsel.people.credit.replaying import Replayer
    from handsel.people.trust import replaying

    async def work(tx: "Tx", shelf: "Shelf") -> list[replaying.Replay]:
        replayer = Replayer(tx, shelf)
        wanted = [decode("dec", decision)] if decision else await replaying.last(replayer, last)
        return [await replaying.replay(replayer, one) for one in wanted]

    made = run(work)
    if as_json:
        print(msgspec.json.encode(made).decode())
    else:
        for one in made:
            answer = "allowed" if one.allowed else "refused"
            print(f"{encode('dec', one.decision_id)} {answer} {one.decided_at:%Y-%m-%d %H:%M:%S}")
            if decision or last == 1:
                print(*(f"  {line}" for line in one.compared), sep="\n")
            for found in one.differences:
                print(f"  {found.where}: {found.recorded} was recorded, {found.found} came out")
    different = sum(bool(one.differences) for one in made)
    say(f"{len(made)} decisions made again, {different} came out otherwise.")
    sys.exit(1 if different else 0)


def _judge(
    model_id: str, explained: tuple[str, ...], facts: Path | None, staff: str
) -> "GateTable":
    """Two transactions with the work between them: nothing is locked while a town is simulated."""
    from handsel.people.credit import registry
    from handsel_ml.errors import CreditError
    from handsel_ml.model import Model as Loaded
    from handsel_ml.registry.gates import check_explained
    from handsel_ml.registry.judging import judge_in_town, judge_on_facts

    async def look(tx: "Tx", shelf: "Shelf") -> tuple[Loaded, Loaded]:
        challenger = await registry.model_of(tx, model_id, shelf)
        champion = await registry.champion_of(tx, challenger.kind, shelf)
        return challenger, await registry.model_of(tx, champion, shelf)

    challenger, champion = run(look)
    try:
        check_explained(challenger.info, explained)
        with step(f"Judging {model_id}"):
            if facts is None:
                table = judge_in_town(challenger, champion, explained)
            else:
                from handsel_ml.scale.parquet import read_facts

                table = judge_on_facts(challenger, champion, read_facts(facts), explained)
    except CreditError as error:
        raise UserError(f"{model_id} cannot be judged: {error}.") from None

    async def keep(tx: "Tx", shelf: "Shelf") -> None:
        await registry.judge(tx, table, await member(tx, staff))

    run(keep)
    return table


def _show(table: "GateTable") -> None:
    import rich
    from rich.table import Table

    shown = Table("gate", "", "figure", "bound", "", box=None)
    for gate in table.gates:
        figure = "" if gate.value is None else f"{gate.value:.4f}"
        shown.add_row(gate.name, "passed" if gate.passed else "FAILED", figure, gate.bound,
                      gate.words)  # fmt: skip
    rich.print(shown)
    failed = sum(not gate.passed for gate in table.gates)
    said = f"{failed} gates failed" if failed else "All gates passed"
    say(f"{said}: {table.challenger_id} against {table.champion_id}, on {table.rows} deals.")
