"""Reconciliation.

Revision: 0014, after 0013.
"""

from handsel.migrations.run import run_sql_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
