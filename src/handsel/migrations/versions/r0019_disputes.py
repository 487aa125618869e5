"""Disputes: their rows, timers, offers, evidence and timeline; money that goes back after a sale.

Revision: 0019, after 0018.
"""

from handsel.migrations.run import run_sql_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
