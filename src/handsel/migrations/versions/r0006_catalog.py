"""Categories, storefronts, listings, the search documents.

Revision: 0006, after 0005.
"""

from handsel.migrations.run import run_sql_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
