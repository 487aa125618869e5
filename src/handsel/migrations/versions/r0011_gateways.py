"""Gateways.

Revision: 0011, after 0010.
"""

from handsel.migrations.run import run_sql_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
