"""A review weighs by what the newest trust snapshot says of its author."""

from datetime import timedelta

from handsel.foundation.core.ids import decode
from tests.deals.reviews.test_reviews import settled, write
from tests.journeys.story import Story

_RECORD = (
    "SELECT people.record_trust($1, 'trust-1', true, 10, 1, $2::uuid[], $3::float8[], $4::float8[],"
    " $4::float8[], $5::int[], $4::float8[])"
)


async def test_a_review_weighs_by_the_reliability_of_its_author(story: Story) -> None:
    deal = await settled(story)
    buyer, seller = deal.buyer, deal.seller
    async with story.database.reading() as conn:
        now = await conn.fetchval("SELECT foundation.handsel_now()")
        for hours, bps in ((2, 9_000), (1, 2_500)):
            row = ([decode("mem", buyer.id)], [0.5], [0.0], [bps])
            await conn.execute(_RECORD, now - timedelta(hours=hours), *row)

    reviews = {side.id: await write(side, deal, 5) for side in (buyer, seller)}

    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT author_id, weight_bps FROM deals.reviews WHERE order_id = $1",
            decode("ord", deal.id),
        )
    weights = {row["author_id"]: row["weight_bps"] for row in rows}
    by_buyer, by_seller = (weights[decode("mem", side.id)] for side in (buyer, seller))
    assert len(reviews) == 2
    assert by_seller > 0
    assert by_buyer == by_seller // 4
