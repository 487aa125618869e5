"""Availability, units, bookings that the database keeps apart, calendars in and out.

Revision: 0018, after 0017.
"""

from handsel.migrations.run import run_sql_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
