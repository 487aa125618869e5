"""Facts of deals that went well."""

from datetime import timedelta
from uuid import uuid4

from handsel.foundation.db.uow import Tx
from handsel.people.credit.schemas import Fact
from handsel_ml.contract import FactKind
from tests.factories.members import Member


def good_deals(tx: Tx, member: Member, others: list[Member]) -> list[Fact]:
    """A settled, well reviewed deal with each of the others, one a day, the last one today."""
    facts = []
    for days, other in enumerate(reversed(others)):
        order = uuid4()
        for kind, amount, value in (
            (FactKind.ORDER_FUNDED, 4_000, None),
            (FactKind.ORDER_SETTLED, 4_000, None),
            (FactKind.DELIVERED_ON_TIME, 0, None),
            (FactKind.REVIEW_RECEIVED, 0, 5),
        ):
            facts.append(
                Fact(
                    member_id=member.id,
                    kind=kind,
                    source_id=f"{kind}-{order}",
                    happened_at=tx.now - timedelta(days=days, hours=1),
                    order_id=order,
                    counterparty_id=other.id,
                    role="seller",
                    amount_minor=amount,
                    value=value,
                )
            )
    return facts
