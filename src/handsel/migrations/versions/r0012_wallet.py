"""Wallet.

Revision: 0012, after 0011.
"""

from handsel.migrations.run import run_sql_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
