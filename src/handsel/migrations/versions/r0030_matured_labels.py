"""How many labels have matured: below a number of them a score may lower a tier, never raise it.

Revision: 0030, after 0029.
"""

from handsel.migrations.run import run_sql_file

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
