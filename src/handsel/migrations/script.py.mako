"""${message}

Revision: ${up_revision}, after ${down_revision}.
"""

from handsel.migrations.run import run_sql_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
