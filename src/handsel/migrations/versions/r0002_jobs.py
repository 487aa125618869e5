"""The outbox, the queue, parked jobs.

Revision: 0002, after 0001.
"""

from handsel.migrations.run import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
