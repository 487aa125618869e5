"""Sales paid by card, made by the services of money alone, on a module's own database."""

import pytest

from handsel.foundation.db.uow import Database
from tests.money.chargebacks.town import Town


@pytest.fixture(scope="module")
async def town(database: Database) -> Town:
    """Cards, orders and what the bank says."""
    return Town(database)
