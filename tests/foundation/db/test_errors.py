"""What PostgreSQL says, and what it means."""

import asyncpg
import pytest

from handsel.foundation.core.errors import Busy
from handsel.foundation.db.errors import is_retryable, translate


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.SerializationError("could not serialize access"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.InternalServerError(
            "new multixact has more than one updating member: 0 3[7 (nokeyupd), 8 (nokeyupd)]"
        ),
    ],
)
def test_what_was_undone_by_the_server_may_run_again(error: asyncpg.PostgresError) -> None:
    assert is_retryable(error)
    assert isinstance(translate(error), Busy)


def test_another_internal_error_stays_one() -> None:
    error = asyncpg.InternalServerError("could not find block")

    assert not is_retryable(error)
    assert translate(error) is None
