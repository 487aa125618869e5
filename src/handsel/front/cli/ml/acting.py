"""``handsel ml act``: a simulated town, lived through the services instead of written down."""

from typing import TYPE_CHECKING, Annotated

import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings, load
from handsel.front.cli.console import step

if TYPE_CHECKING:
    from handsel.front.town.living import Lived


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(act)


def act(
    seed: Annotated[int, typer.Option(help="The town, to the last deal.")] = 1,
    members: Annotated[int, typer.Option(min=2, max=500, help="How many live in it.")] = 24,
    days: Annotated[int, typer.Option(min=60, max=900, help="How long.")] = 240,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Live a simulated town in an empty embedded database; does the house tell the same facts?

    Moves the clock of that database: use a HANDSEL_HOME of its own, and throw it away.
    """
    import asyncio
    from datetime import UTC, datetime, timedelta

    import msgspec

    from handsel.front.town.living import live
    from handsel_ml.simulate import TownPlan

    settings = load()
    url = _empty_database(settings)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    plan = TownPlan(
        seed=seed,
        members=members,
        deals_per_member=days / 60,
        start=start,
        end=start + timedelta(days=days),
    )
    with step("Living the town") as progress:
        found = asyncio.run(live(url, settings, plan, progress))
    print(msgspec.json.encode(found).decode() if as_json else _text(found))


def _empty_database(settings: Settings) -> str:
    """The embedded database of this HANDSEL_HOME, migrated, with nobody in it."""
    import asyncio

    from handsel.front.cli.database import start_embedded
    from handsel.front.cli.run import has_members
    from handsel.migrations.run import migrate

    if settings.database_url or not settings.sandbox:
        raise UserError("A town is only lived in the embedded database of a sandbox.")
    url = start_embedded(settings, "tied")
    migrate(url)
    if asyncio.run(has_members(url)):
        raise UserError(
            f"Somebody lives in the database of {settings.home} already: set HANDSEL_HOME to a"
            " new folder."
        )
    return url


def _text(found: "Lived") -> str:
    said, apart = found.conformance, found.conformance.apart
    furthest = max((one.hours for one in apart.values()), default=0.0)
    agreed = sum(said.agreed.values())
    lines = [
        f"A simulated town, seed {found.seed}. Not real.",
        f"{found.members} members, {found.deals} deals.",
        f"Facts that simulator and house tell alike: {agreed}, at most {furthest:.1f} hours apart",
        f"  only the simulator: {_counts(said.only_simulator)}",
        f"  only the house:     {_counts(said.only_house)}",
        f"  refused by the house: {_counts(said.refused)}",
        f"  not played: {_counts(said.unplayed)}; standings lent: {found.lent_standings}",
        "",
        f"{'type':<20} {'members':>7} {'facts':>6} {'financial':>12} {'social':>12}",
    ]
    for name, view in found.types.items():
        scores = "".join(
            f" {'-' if points is None else f'{points:.0f} ({view.scored[kind]})':>12}"
            for kind, points in view.points.items()
        )
        lines.append(f"{name:<20} {view.members:>7} {sum(view.facts.values()):>6}{scores}")
    return "\n".join(lines)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.items()) or "none"
