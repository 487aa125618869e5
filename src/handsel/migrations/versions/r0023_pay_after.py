"""Debts of those who did not pay after the work.

Revision: 0023, after 0022.
"""

from handsel.migrations.run import run_sql_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
