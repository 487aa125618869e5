"""Members, sessions, verifications, conversations.

Revision: 0003, after 0002.
"""

from handsel.migrations.run import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
