"""What an offer becomes: milestones whose fees add up to the job's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from handsel.deals.orders.negotiated import offers
from handsel.deals.orders.negotiated.errors import InvalidDates, MilestonesDoNotSum
from handsel.deals.orders.negotiated.schemas import Milestone, OfferInput, Part
from handsel.deals.orders.parties import NO_FEE
from handsel.deals.orders.schemas import Cancellation, Terms
from handsel.foundation.core.money import Money

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FEE = msgspec.structs.replace(NO_FEE, amount_minor=241, fund_share_minor=23, tax_minor=7)


def _offer(*parts: int, price: int | None = None, every: timedelta = DAY) -> OfferInput:
    whole = sum(parts) if price is None else price
    return OfferInput(
        lines=[Part(title="All", amount_minor=whole)],
        milestones=[
            Milestone(title=str(number), amount_minor=part, due_at=NOW + (number + 1) * every)
            for number, part in enumerate(parts)
        ],
    )


JOB = Terms(
    listing_id=None,
    title="Doors",
    category="carpentry",
    unit="quote",
    price=Money(amount_minor=0, currency="EUR"),
    fee=NO_FEE,
    customer_id="mem_a",
    customer="a",
    provider_id="mem_b",
    provider="b",
    starts_at=None,
    due_at=NOW,
    process="negotiated@1",
    inspection_period_s=0,
    cancellation=Cancellation(free_until_s=0, late_share_bps=0),
)


@pytest.mark.parametrize("parts", [(1000, 1000, 1001), (1, 2, 2998), (3001,), (1,) * 20])
def test_the_fees_of_the_milestones_are_the_fee_of_the_job(parts: tuple[int, ...]) -> None:
    frozen = offers.freeze(_offer(*parts), "EUR", NOW)
    job = offers.agreed(JOB, frozen, b"hash", FEE)

    fees = [terms.fee for terms in offers.milestone_terms(job, frozen)]

    assert sum(fee.amount_minor for fee in fees) == 241
    assert sum(fee.fund_share_minor for fee in fees) == 23
    assert sum(fee.tax_minor for fee in fees) == 7
    assert all(fee.house_minor >= 0 for fee in fees)


def test_milestones_that_are_not_the_price_are_refused() -> None:
    with pytest.raises(MilestonesDoNotSum) as refused:
        offers.freeze(_offer(1000, 2000, price=2999), "EUR", NOW)

    assert refused.value.members == {"price_minor": 2999, "milestones_minor": 3000}


@pytest.mark.parametrize("every", [-DAY, timedelta(minutes=5), 200 * DAY])
def test_milestones_lie_ahead_within_a_year(every: timedelta) -> None:
    with pytest.raises(InvalidDates):
        offers.freeze(_offer(1000, 2000, every=every), "EUR", NOW)


def test_an_offers_hash_knows_its_order_and_its_terms() -> None:
    one, other = UUID(int=1), UUID(int=2)
    frozen = offers.freeze(_offer(1000), "EUR", NOW)
    changed = offers.freeze(_offer(1001), "EUR", NOW)

    hashes = {offers.hash_of(one, frozen), offers.hash_of(other, frozen),
              offers.hash_of(one, changed)}  # fmt: skip

    assert len(hashes) == 3
    assert offers.hash_of(one, frozen) in hashes
