"""Agreements: offers for jobs without a price, weekly series under a mandate.

Revision: 0024, after 0023.
"""

from handsel.migrations.run import run_sql_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
