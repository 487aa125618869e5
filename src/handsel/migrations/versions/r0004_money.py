"""Units, accounts, transfers, holds, the sandbox provider.

Revision: 0004, after 0003.
"""

from handsel.migrations.run import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
