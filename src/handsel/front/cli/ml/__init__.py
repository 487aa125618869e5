"""``handsel ml``: train, judge, register, promote, replay and roll back the credit models.

Each file holds one group of commands; libraries are loaded inside the commands that need them, so
that ``handsel --help`` stays quick.
"""

import typer

from handsel.front.cli.ml import (
    acting,
    exporting,
    judging,
    quarter,
    registry,
    reporting,
    tables,
    training,
    trust,
)

app = typer.Typer(help="The credit models.", no_args_is_help=True)
training.add_to(app)
exporting.add_to(app)
registry.add_to(app)
judging.add_to(app)
trust.add_to(app)
tables.add_to(app)
reporting.add_to(app)
quarter.add_to(app)
acting.add_to(app)
