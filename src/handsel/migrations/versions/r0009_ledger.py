"""Ledger.

Revision: 0009, after 0008.
"""

from handsel.migrations.run import run_sql_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
