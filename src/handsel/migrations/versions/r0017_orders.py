"""Orders of every process: without a listing, as part of another order, amended with consent.

Revision: 0017, after 0016.
"""

from handsel.migrations.run import run_sql_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
