"""Ledger_seals.

Revision: 0010, after 0009.
"""

from handsel.migrations.run import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
