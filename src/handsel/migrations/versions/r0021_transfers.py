"""From person to person: gifts that stay what they were, codes to pay at, hours instead of money.

Revision: 0021, after 0020.
"""

from handsel.migrations.run import run_sql_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
