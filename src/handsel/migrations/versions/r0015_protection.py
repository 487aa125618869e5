"""Protection.

Revision: 0015, after 0014.
"""

from handsel.migrations.run import run_sql_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
