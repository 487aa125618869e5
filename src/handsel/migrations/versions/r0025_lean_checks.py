"""The same rules for accounts in fewer words: each is read anew with every change of a balance.

Revision: 0025, after 0024.
"""

from handsel.migrations.run import run_sql_file

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
