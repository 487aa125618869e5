"""No card number is accepted in any field of any request; nothing of it is kept."""

from typing import Any

import pytest

from tests.factories.members import PASSWORD
from tests.journeys.story import Story

CARD = "4242 4242 4242 4242"
EUR = {"amount_minor": 100, "currency": "EUR"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/wallet/top-ups", {"amount": EUR, "token": CARD}),
        (
            "/v1/wallet/top-ups",
            {"amount": {"amount_minor": 1, "currency": CARD}, "token": "tok_ok"},
        ),
        ("/v1/payout-methods", {"token": "bank_ok", "label": CARD, "password": PASSWORD}),
        ("/v1/payout-methods", {"token": "bank_ok", "label": "x", "password": CARD}),
        ("/v1/orders", {"listing_id": "lst_x", "note": f"charge {CARD} please"}),
        ("/v1/listings", {"title": CARD, "category": "school-tutoring"}),
        ("/v1/listings", {"title": "x", "category": "y", "unknown": {"deep": [CARD]}}),
    ],
)
async def test_a_card_number_is_refused_in_every_field(
    story: Story, path: str, body: dict[str, Any]
) -> None:
    member = await story.person()

    problem = await member.refused(path, body, 422)

    assert problem["code"] == "card_number_refused"
    assert "4242" not in str(problem)
    async with story.database.reading() as conn:
        kept = await conn.fetchval(
            "SELECT count(*) FROM foundation.answers WHERE body LIKE '%4242%'"
        )
    assert kept == 0
