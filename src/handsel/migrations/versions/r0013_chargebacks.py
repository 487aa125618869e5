"""Chargebacks.

Revision: 0013, after 0012.
"""

from handsel.migrations.run import run_sql_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
