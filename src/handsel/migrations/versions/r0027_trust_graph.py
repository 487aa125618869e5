"""Nightly snapshots of the trust graph: who is trusted how much, and whose reviews weigh what.

Revision: 0027, after 0026.
"""

from handsel.migrations.run import run_sql_file

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
