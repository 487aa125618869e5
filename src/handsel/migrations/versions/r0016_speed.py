"""Fewer statements on the way of a payment; nothing that it means changes.

Revision: 0016, after 0015.
"""

from handsel.migrations.run import run_sql_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
