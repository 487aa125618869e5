"""Facts, score snapshots, exposures, confirmations, decisions.

Revision: 0005, after 0004.
"""

from handsel.migrations.run import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
