"""Rentals: deposits (bonds with a hold of their own), and what a listing asks for.

Revision: 0022, after 0021.
"""

from handsel.migrations.run import run_sql_file

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
