"""The register of credit models: ``handsel ml register | candidates | shadow | approve | canary |
promote | rollback | dismiss``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.front.cli.console import say
from handsel.front.cli.ml.working import Json, Model, Staff, member, run

if TYPE_CHECKING:
    from handsel.foundation.db.uow import Tx
    from handsel.people.credit.registry import Candidate
    from handsel_ml.registry.shelf import Shelf

Kind = Annotated[Literal["financial", "social"], typer.Argument(help="Which score.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    for command in (register, candidates, shadow, approve, canary, promote, rollback,
                    dismiss):  # fmt: skip
        app.command()(command)


def register(
    folder: Annotated[Path, typer.Argument(help="A bundle, or a folder with one per score.")],
    staff: Staff = "",
) -> None:
    """Enter trained models into the register, and keep a copy of their files."""
    bundles = [folder] if (folder / "bundle.json").is_file() else sorted(folder.glob("*/"))
    bundles = [bundle for bundle in bundles if (bundle / "bundle.json").is_file()]
    if not bundles:
        raise UserError(f"There is no bundle in {folder}.")

    async def work(tx: "Tx", shelf: "Shelf") -> list[str]:
        from handsel.people.credit import registry

        by = await member(tx, staff)
        return [await registry.register(tx, bundle, shelf, by) for bundle in bundles]

    for model_id in run(work):
        print(model_id)


def candidates(as_json: Json = False) -> None:
    """Every model of the register, and its state."""
    import rich
    from rich.table import Column, Table

    async def work(tx: "Tx", shelf: "Shelf") -> "Sequence[Candidate]":
        from handsel.people.credit import registry

        return await registry.candidates(tx)

    found = run(work)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    widest = max((len(model.model_id) for model in found), default=0)
    table = Table(
        Column("model", min_width=widest), "state", "since", "trained as of", "rows", "", box=None
    )
    for model in found:
        share = f" {model.share_bps / 100:g} %" if model.share_bps else ""
        table.add_row(
            model.model_id,
            model.state + share,
            f"{model.since:%Y-%m-%d %H:%M}",
            f"{model.trained_as_of:%Y-%m-%d}",
            str(model.rows),
            "shipped" if model.shipped else "",
        )
    rich.print(table)
    if not found:
        say("The register is empty: the models that ship with the code serve.")


def shadow(model: Model, staff: Staff = "") -> None:
    """Let a model score everybody beside the champion; nobody sees it."""

    async def work(tx: "Tx", shelf: "Shelf") -> None:
        from handsel.people.credit import registry

        await registry.shadow(tx, model, shelf, await member(tx, staff))

    run(work)
    say(f"{model} is in shadow.")


def approve(model: Model, staff: Annotated[str, typer.Option("--as", help="Your handle.")]) -> None:
    """Stand for a model and its newest gates. Two different members of staff have to."""

    async def work(tx: "Tx", shelf: "Shelf") -> int:
        from handsel.people.credit import registry

        by = await member(tx, staff)
        assert by is not None
        return await registry.approve(tx, model, shelf, by)

    count = run(work)
    say(f"{count} of 2 approvals." if count < 2 else f"{model} has its approvals.")


def canary(
    model: Model,
    share: Annotated[float, typer.Option(help="Percent of the members, at most 50.")] = 5.0,
    staff: Staff = "",
) -> None:
    """Score a share of the members by a challenger that is ready."""
    if not 0.01 <= share <= 50:  # nor NaN
        raise UserError(f"A canary scores 0.01 to 50 percent of the members, not {share:g}.")

    async def work(tx: "Tx", shelf: "Shelf") -> None:
        from handsel.people.credit import registry

        await registry.canary(tx, model, round(share * 100), shelf, await member(tx, staff))

    run(work)
    say(f"{model} scores {share:g} % of the members.")


def promote(model: Model, staff: Staff = "") -> None:
    """Make a challenger that is ready the champion."""

    async def work(tx: "Tx", shelf: "Shelf") -> None:
        from handsel.people.credit import registry

        await registry.promote(tx, model, shelf, await member(tx, staff))

    run(work)
    say(f"{model} is the champion.")


def rollback(
    kind: Kind,
    model: Annotated[str, typer.Option(help="The one to go; refused if another serves.")] = "",
    only_canary: Annotated[bool, typer.Option("--canary", help="End the canary alone.")] = False,
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    staff: Staff = "",
) -> None:
    """Back to the former champion, at once."""

    async def work(tx: "Tx", shelf: "Shelf") -> tuple[list[str], str]:
        from handsel.people.credit import registry

        by = await member(tx, staff)
        gone = await registry.roll_back(
            tx, kind, reason, by, canary=only_canary, expected=model or None
        )
        return gone, await registry.champion_of(tx, kind, shelf)

    gone, champion = run(work)
    say(f"{' and '.join(gone)} no longer serves; the champion is {champion}.")


def dismiss(
    model: Model,
    reason: Annotated[str, typer.Option(help="For the record.")],
    rejected: Annotated[bool, typer.Option("--rejected", help="It was found wanting.")] = False,
    staff: Staff = "",
) -> None:
    """Take a challenger out of shadow."""

    async def work(tx: "Tx", shelf: "Shelf") -> None:
        from handsel.people.credit import registry

        what: Literal["rejected", "withdrawn"] = "rejected" if rejected else "withdrawn"
        await registry.dismiss(tx, model, what, reason, await member(tx, staff))

    run(work)
    say(f"{model} is out of shadow.")
