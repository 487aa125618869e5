"""``handsel ml``: train, judge, register, promote, replay and roll back the credit models.

Each file holds one group of commands; libraries are loaded inside the commands that need them, so
that ``handsel --help`` stays quick.
"""

import typer

from handsel.front.cli.ml import training

app = typer.Typer(help="The credit models.", no_args_is_help=True)
training.add_to(app)
