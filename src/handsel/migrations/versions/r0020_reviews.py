"""Reviews that are written unseen; shared appointments, arrivals, silent alarms.

Revision: 0020, after 0019.
"""

from handsel.migrations.run import run_sql_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
