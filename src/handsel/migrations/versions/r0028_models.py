"""The register of credit models, and the policies that decisions were made by.

Revision: 0028, after 0027.
"""

from handsel.migrations.run import run_sql_file

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run_sql_file(__file__)
