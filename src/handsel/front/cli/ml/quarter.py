"""``handsel ml quarter``: the full circle on own facts, champion against challenger."""

from typing import TYPE_CHECKING, Annotated

import typer

from handsel.foundation.core.errors import UserError
from handsel.front.cli.console import step

if TYPE_CHECKING:
    from handsel_ml.quarter import KindQuarter, Quarter

_SHOWN = ("auc", "ks", "log_loss", "ece", "observed_to_expected")


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(quarter)


def quarter(
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 2, help="The town, to the last deal.")
    ] = 1,
    members: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="How many live in it.")
    ] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Simulate a quarter with late labels, train again at its end, judge the next month."""
    import msgspec

    from handsel_ml.errors import CreditError
    from handsel_ml.quarter import QuarterPlan, run_quarter

    plan = QuarterPlan(seed=seed, members=members)
    try:
        with step("One quarter") as progress:
            found = run_quarter(plan, progress).quarter
    except CreditError as error:
        raise UserError(
            f"The quarter could not be judged: {error}. Try more members or another seed."
        ) from None
    print(msgspec.json.encode(found).decode() if as_json else _text(found))


def _text(found: "Quarter") -> str:
    plan, size = found.plan, f"{found.facts} facts of {found.deals} deals"
    lines = [
        f"A simulated town of {plan.members} members, seed {plan.seed}: {size}. Not real.",
        f"The quarter ends {plan.ends:%Y-%m-%d}; judged on the deals of the month after it.",
    ]
    for score in found.scores:
        lines += ["", *_score(score)]
    return "\n".join(lines)


def _score(score: "KindQuarter") -> list[str]:
    old, new = score.champion, score.challenger
    lines = [f"{score.kind}: {score.judged_rows} deals judged, {score.judged_bads} bad"]
    for name, side in (("champion", old), ("challenger", new)):
        learnt = f"{side.fitted_rows} rows, {side.fitted_bads} bad; {side.waiting} labels too late"
        when = f"{side.engine}, as of {side.trained_as_of:%Y-%m-%d}"
        lines.append(f"  {name:<10} {side.model_id}  {when}: {learnt}")
    lines.append(f"  {'':<22} {'champion':>9} {'challenger':>10}   difference [95 %]")
    for name in _SHOWN:
        gap = score.difference[name]
        lines.append(
            f"  {name:<22} {old.figures[name].value:>9.4f} {new.figures[name].value:>10.4f}"
            f"   {gap.value:+.4f} [{gap.lower:+.4f}, {gap.upper:+.4f}]"
        )
    moved = ", ".join(f"{name} {index:.2f}" for name, index in score.moved) or "no feature"
    lines.append(
        f"  drift over the quarter: points PSI {score.points_psi:.3f}; {moved};"
        f" bad rate {score.bad_rate_before:.2%} before, {score.bad_rate_after:.2%} in the month"
    )
    return lines
