"""Orders, timers, timelines, reviews.

Revision: 0007, after 0006.
"""

from handsel.migrations.run import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
