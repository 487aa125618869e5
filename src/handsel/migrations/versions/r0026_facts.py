"""How much a fact weighs, and the kinds of facts that paying afterwards and lending leave.

Revision: 0026, after 0025.
"""

from handsel.migrations.run import run_sql_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
