"""The clock, replayable answers, the audit chain.

Revision: 0001, after nothing.
"""

from handsel.migrations.run import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
