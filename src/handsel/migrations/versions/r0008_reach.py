"""Notices.

Revision: 0008, after 0007.
"""

from handsel.migrations.run import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
