"""What changed in a score, and the appeal of a member to a person.

Revision: 0029, after 0028.
"""

from handsel.migrations.run import run_sql_file

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
