"""The gate against the database: what is locked, counted, logged."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from handsel.foundation.core.errors import Invalid, NotFound
from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import service as credit
from handsel.people.credit.schemas import Fact
from handsel.people.members.schemas import Kind
from handsel.people.trust import policy, queries, service
from handsel.people.trust.errors import (
    ExposureExists,
    ExposureNotReserved,
    OverLimit,
    PayeeNotVerified,
    PayerNotVerified,
)
from handsel.people.trust.schemas import Payment, Standing
from handsel.people.trust.table import Tier
from handsel_ml.contract import FactKind, Role
from tests.factories.members import Member, add_member, create_member
from tests.people.trust.parties import T1_KINDS, T2_KINDS, TERMS, give_scores, pair, payment


def between(buyer: Member, seller: Member, amount_minor: int, currency: str = "EUR") -> Payment:
    return payment(amount_minor, currency, payer_id=buyer.id, payee_id=seller.id)


async def pay(tx: Tx, asked: Payment) -> service.Decision:
    """What whoever moves money does, without the money."""
    decision = await service.decide(tx, asked)
    service.require(decision)
    service.reserve(tx, asked, decision)
    return decision


async def used(reader: Tx | asyncpg.Connection, member_id: UUID, hours: int = 24) -> int:
    standing = await queries.view_standing(reader, member_id, member_id)
    return {24: standing.used_24h_minor, 720: standing.used_30d_minor}[hours]


async def test_reserved_payment_counts_and_is_logged(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    asked = between(buyer, seller, 5_000, "GBP")

    decision = await pay(tx, asked)
    await tx.flush()

    assert await used(tx, buyer.id) == 5_750
    assert await used(tx, seller.id) == 0
    logged = await tx.fetchrow("SELECT * FROM people.decisions WHERE id = $1", decision.decision_id)
    assert logged is not None
    assert (logged["reference_id"], logged["payer_id"], logged["payee_id"]) == (
        asked.reference_id, buyer.id, seller.id,
    )  # fmt: skip
    assert (logged["amount_minor"], logged["currency"], logged["terms_hash"]) == (
        5_000, "GBP", TERMS,
    )  # fmt: skip
    assert (logged["allowed"], logged["payer_tier"], logged["payee_tier"]) == (True, "T1", "T1")
    assert logged["policy_version"] == service.current_policy().version
    entry = await tx.fetchrow(
        "SELECT * FROM foundation.audit_entries WHERE subject_id = $1", asked.reference_id
    )
    assert entry is not None
    assert (entry["stream"], entry["action"], entry["actor_id"]) == (
        "trust", "payment_allowed", buyer.id,
    )  # fmt: skip


async def test_decision_is_made_again_from_the_log(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    await give_scores(tx, buyer.id, financial=(640, 600), social=(700, 655))
    asked = between(buyer, seller, 4_000)
    decision = await pay(tx, asked)
    await tx.flush()

    row = await tx.fetchrow("SELECT * FROM people.decisions WHERE id = $1", decision.decision_id)

    assert row is not None
    assert row["model_ids"] == ["financial-test", "social-test"]
    kept = msgspec.convert(row["inputs"], Standing)
    assert policy.decide(service.current_policy(), asked, kept) == decision


async def test_released_money_no_longer_counts_and_settled_money_does(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    back, done = between(buyer, seller, 2_000), between(buyer, seller, 3_000)
    await pay(tx, back)
    await pay(tx, done)

    service.release(tx, back.reference_id)
    service.settle(tx, done.reference_id, buyer.id, seller.id)
    service.settle(tx, done.reference_id, buyer.id, seller.id)  # repeated: nothing happens
    await tx.flush()

    assert await used(tx, buyer.id) == 3_000
    await tx.execute("SELECT foundation.advance_clock('24 hours')")
    assert await used(tx, buyer.id) == 0
    assert await used(tx, buyer.id, hours=720) == 3_000
    await tx.execute("SELECT foundation.advance_clock('29 days')")
    assert await used(tx, buyer.id, hours=720) == 0


async def test_score_lowers_a_tier_and_never_raises_one(tx: Tx) -> None:
    buyer = await add_member(tx, verified=T2_KINDS, age=timedelta(days=20))
    star = await add_member(tx, verified=T1_KINDS)
    seller = await add_member(tx, verified=T1_KINDS)
    await give_scores(tx, star.id, financial=(950, 950), social=(950, 950))
    before = await service.decide(tx, between(buyer, seller, 100))
    await give_scores(tx, buyer.id, financial=(549, 500), social=(700, 700))

    after = await service.decide(tx, between(buyer, seller, 100))
    raised = await service.decide(tx, between(star, seller, 100))

    assert (before.payer_tier, after.payer_tier, raised.payer_tier) == (
        Tier.T2, Tier.T1, Tier.T1,
    )  # fmt: skip


async def test_failed_model_leaves_t1_and_says_so(tx: Tx) -> None:
    buyer = await add_member(tx, verified=T2_KINDS, age=timedelta(days=20))
    seller = await add_member(tx, verified=T1_KINDS)
    for kind in ("financial", "social"):
        await tx.execute(
            "SELECT people.record_score($1, foundation.handsel_now(), $2, 'failed', NULL, NULL,"
            " NULL, NULL, NULL, 0, '[]', NULL, NULL, NULL, 'hash_mismatch', 0, NULL)",
            buyer.id,
            kind,
        )

    decision = await service.decide(tx, between(buyer, seller, 6_001))

    assert decision.payer_tier is Tier.T1
    assert [r.code for r in decision.reasons] == ["over_order_limit", "score_unavailable"]
    assert decision.path[0].code == "wait_for_score"


async def test_known_payee_and_track_record_come_from_settled_orders(tx: Tx) -> None:
    buyer = await add_member(tx, verified=T2_KINDS)
    seller = await add_member(tx, verified=T1_KINDS)
    stranger = await service.decide(tx, between(buyer, seller, 5_000))
    for _ in range(3):
        await service.note_settled(tx, uuid4(), buyer.id, seller.id, True, tx.now)
    await tx.flush()

    known = await service.decide(tx, between(buyer, seller, 5_000))

    assert (stranger.payer_tier, stranger.confirmation_required) == (Tier.T1, True)
    assert (known.payer_tier, known.confirmation_required) == (Tier.T2, False)


async def test_settled_order_counts_once_for_both_sides(tx: Tx) -> None:
    ann, ben = await pair(tx)
    cat = await add_member(tx)
    order = uuid4()
    for buyer, seller, order_id, on_time in (
        (ann, ben, order, True),
        (ann, ben, order, True),  # the event again
        (ann, ben, uuid4(), False),
        (ann, ben, uuid4(), True),
        (ben, ann, uuid4(), True),
        (cat, ben, uuid4(), True),
    ):
        await service.note_settled(tx, order_id, buyer.id, seller.id, on_time, tx.now)
        await tx.flush()

    columns = (
        "settled_orders, counterparties, sold_orders, customers, returning_customers,"
        " on_time_orders"
    )
    rows = {
        name: tuple(await tx.fetchrow(f"SELECT {columns} FROM people.standings"
                                      " WHERE member_id = $1", who.id) or ())
        for name, who in (("ann", ann), ("ben", ben), ("cat", cat))
    }  # fmt: skip
    assert rows == {
        "ann": (4, 1, 1, 1, 0, 1),
        "ben": (5, 2, 4, 2, 1, 3),
        "cat": (1, 1, 0, 0, 0, 0),
    }


async def test_trust_card_shows_conduct_and_neither_number_nor_money_tier(tx: Tx) -> None:
    seller = await add_member(tx, verified=T2_KINDS, age=timedelta(days=40))
    buyer = await add_member(tx)
    await give_scores(tx, seller.id, financial=(420, 400), social=(560, 540))
    for on_time in (True, True, False):
        await service.note_settled(tx, uuid4(), buyer.id, seller.id, on_time, tx.now)
    await tx.flush()

    cards = await service.public_card(tx, [seller.id, buyer.id, uuid4(), seller.id])

    assert set(cards) == {seller.id, buyer.id}
    assert msgspec.to_builtins(cards[seller.id]) == {
        "identity_tier": "T2",  # by verification alone; T1 by the scores
        "verified": ("bank_account", "id_document", "phone"),
        "settled_orders": 3,
        "distinct_customers": 1,
        "returning_customers": 1,
        "on_time_percent": 66,
        "conduct_band": "fair",
        "member_since": cards[seller.id].member_since.isoformat().replace("+00:00", "Z"),
    }
    assert cards[buyer.id].identity_tier == "T0"
    assert cards[buyer.id].on_time_percent is None
    assert cards[buyer.id].conduct_band is None


async def test_receiving_and_withdrawing_ask_for_t1(tx: Tx) -> None:
    newcomer = await add_member(tx, verified=["phone"])
    basic = await add_member(tx, verified=T1_KINDS)

    assert (await service.may_receive(tx, basic.id)).allowed
    payouts = await service.payouts_of(tx, basic.id)
    assert (payouts.allowed.allowed, payouts.tier, payouts.first_settled_at) == (
        True, service.Tier.T1, None,
    )  # fmt: skip
    refused = await service.may_receive(tx, newcomer.id)
    assert not refused.allowed
    assert [step.one_of for step in refused.path] == [("id_document", "bank_account", "address")]
    assert not (await service.payouts_of(tx, newcomer.id)).allowed.allowed


@pytest.mark.parametrize("amount", [0, -1])
async def test_amount_below_one_is_invalid(tx: Tx, amount: int) -> None:
    buyer, seller = await pair(tx)

    with pytest.raises(Invalid):
        await service.decide(tx, between(buyer, seller, amount))


async def test_unknown_payee_is_not_found(tx: Tx) -> None:
    buyer, _ = await pair(tx)

    with pytest.raises(NotFound):
        await service.decide(tx, payment(100, payer_id=buyer.id))


async def test_only_the_allowed_payment_can_be_reserved(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    decision = await service.decide(tx, between(buyer, seller, 100))
    refused = await service.decide(tx, between(buyer, seller, 6_001))

    with pytest.raises(ValueError, match="only the payment"):
        service.reserve(tx, between(buyer, seller, 100), decision)  # another order
    with pytest.raises(ValueError, match="only the payment"):
        service.reserve(tx, refused.payment, refused)


# With real commits.


async def test_refusal_is_logged_although_its_request_is_undone(database: Database) -> None:
    buyer = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T1_KINDS)
    asked = between(buyer, seller, 6_001)

    with pytest.raises(OverLimit) as refused:
        await database.run(lambda tx: pay(tx, asked))

    assert refused.value.members["reasons"][0]["code"] == "over_order_limit"
    assert refused.value.members["path"][0]["code"] == "verify"
    async with database.reading() as conn:
        logged = await conn.fetchrow(
            "SELECT * FROM people.decisions WHERE reference_id = $1", asked.reference_id
        )
        action = await conn.fetchval(
            "SELECT action FROM foundation.audit_entries WHERE subject_id = $1", asked.reference_id
        )
        assert await used(conn, buyer.id) == 0
    assert logged is not None
    assert not logged["allowed"]
    assert logged["outcome"]["reasons"][0]["code"] == "over_order_limit"
    assert refused.value.members["decision_id"] == f"dec_{logged['id'].hex}"
    assert action == "payment_refused"


@pytest.mark.parametrize(
    ("buyer_kinds", "seller_kinds", "problem"),
    [(["phone"], T1_KINDS, PayerNotVerified), (T1_KINDS, ["email"], PayeeNotVerified)],
)
async def test_unverified_side_is_refused(
    database: Database,
    buyer_kinds: Sequence[Kind],
    seller_kinds: Sequence[Kind],
    problem: type[Exception],
) -> None:
    buyer = await create_member(database, verified=buyer_kinds)
    seller = await create_member(database, verified=seller_kinds)

    with pytest.raises(problem):
        await database.run(lambda tx: pay(tx, between(buyer, seller, 100)))

    async with database.reading() as conn:
        assert await used(conn, buyer.id) == 0


async def test_two_payments_decided_before_either_is_reserved(database: Database) -> None:
    buyer = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T1_KINDS)

    async def bundle(tx: Tx) -> None:
        legs = [between(buyer, seller, 5_100) for _ in range(3)]
        decisions = [await service.decide(tx, leg) for leg in legs]
        for leg, decision in zip(legs, decisions, strict=True):
            service.require(decision)
            service.reserve(tx, leg, decision)

    with pytest.raises(OverLimit):
        await database.run(bundle)

    async with database.reading() as conn:
        assert await used(conn, buyer.id) == 0


async def test_thirty_days_bind_payments_of_one_transaction_too(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    for amount in (6_000, 6_000, 6_000, 6_000):  # 24,000 of T1's 30,000, in two days
        await pay(tx, between(buyer, seller, amount))
        await tx.flush()
        await tx.execute("SELECT foundation.advance_clock('13 hours')")
    await tx.execute("SELECT foundation.advance_clock('24 hours')")
    legs = [between(buyer, seller, 4_000) for _ in range(2)]
    decisions = [await service.decide(tx, leg) for leg in legs]

    for leg, decision in zip(legs, decisions, strict=True):
        service.reserve(tx, leg, decision)
    with pytest.raises(asyncpg.PostgresError, match="over_limit"):
        async with tx.conn.transaction():
            await tx.flush()

    assert await used(tx, buyer.id, hours=720) == 24_000


async def test_reference_is_reserved_once(database: Database) -> None:
    buyer = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T1_KINDS)
    asked = between(buyer, seller, 1_000)
    await database.run(lambda tx: pay(tx, asked))

    with pytest.raises(ExposureExists):
        await database.run(lambda tx: pay(tx, asked))

    async with database.reading() as conn:
        assert await used(conn, buyer.id) == 1_000


@pytest.mark.parametrize("case", ["unknown", "released", "other payee"])
async def test_what_is_not_reserved_cannot_be_settled(database: Database, case: str) -> None:
    buyer = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T1_KINDS)
    asked = between(buyer, seller, 1_000)
    reference, payee = asked.reference_id, seller.id
    await database.run(lambda tx: pay(tx, asked))
    async with database.transaction() as tx:
        if case == "released":
            service.release(tx, reference)
    reference = uuid4() if case == "unknown" else reference
    payee = buyer.id if case == "other payee" else payee

    with pytest.raises(ExposureNotReserved):
        async with database.transaction() as tx:
            service.settle(tx, reference, buyer.id, payee)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people.decisions SET allowed = true",
        "DELETE FROM people.decisions",
        "UPDATE people.exposures SET state = 'released'",
        "UPDATE people.standings SET settled_orders = 1000",
        "INSERT INTO people.settlements VALUES (uuidv7(), uuidv7(), uuidv7(), true, now())",
        "SELECT token_sha256 FROM people.confirmations",
    ],
)
async def test_the_application_cannot_write_past_the_functions(
    database: Database, statement: str
) -> None:
    async with database.reading() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)


async def test_labels_are_counted_once_they_have_matured(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    sides: list[tuple[Member, Member, Role]] = [(buyer, seller, "buyer"), (seller, buyer, "seller")]
    credit.record(
        tx,
        [
            Fact(
                member_id=me.id,
                kind=kind,
                source_id=f"{kind}-{days}-{role}",
                happened_at=tx.now - timedelta(days=days),
                order_id=UUID(int=days),
                counterparty_id=other.id,
                role=role,
            )
            for kind, ages in (
                (FactKind.ORDER_SETTLED, (10, 29, 31, 119, 121)),
                (FactKind.ORDER_FUNDED, (365,)),
            )
            for days in ages
            for me, other, role in sides
        ],
    )
    await tx.flush()

    await service.count_labels(tx.conn)

    rows = await _label_counts(tx)
    party, _ = await queries.party(tx, buyer.id)
    assert rows == {"financial": 2, "social": 6}
    assert party.matured_labels == 2


async def _label_counts(tx: Tx) -> dict[str, int]:
    rows = await tx.fetch("SELECT kind, matured FROM people.label_counts")
    return {row["kind"]: row["matured"] for row in rows}


async def test_a_refund_says_nothing_of_its_buyers_conduct(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    sides: list[tuple[Member, Member, Role]] = [(buyer, seller, "buyer"), (seller, buyer, "seller")]
    credit.record(
        tx,
        [
            Fact(
                member_id=me.id,
                kind=FactKind.ORDER_REFUNDED,
                source_id="a-refund",
                happened_at=tx.now - timedelta(days=121),
                order_id=UUID(int=1),
                counterparty_id=other.id,
                role=role,
            )
            for me, other, role in sides
        ],
    )
    await tx.flush()

    await service.count_labels(tx.conn)

    assert await _label_counts(tx) == {"financial": 2, "social": 1}


async def test_what_was_taken_out_is_no_label(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    deal = Fact(
        member_id=seller.id,
        kind=FactKind.ORDER_SETTLED,
        source_id="a-deal",
        happened_at=tx.now - timedelta(days=121),
        order_id=UUID(int=1),
        counterparty_id=buyer.id,
        role="seller",
    )
    other_deal = msgspec.structs.replace(deal, source_id="another", order_id=UUID(int=2))
    credit.record(tx, [deal, other_deal])
    await tx.flush()
    first, second = await add_member(tx), await add_member(tx)
    await tx.execute("SET LOCAL ROLE handsel_owner")
    await tx.execute(
        "WITH appeal AS (INSERT INTO people.appeals (member_id, about, words, filed_at,"
        "  deadline_at) VALUES ($1, 'social', 'Wrong', $2, $2) RETURNING id)"
        " INSERT INTO people.fact_retractions SELECT f.id, $1, a.id, 'Wrong', $3, $4, $2"
        "  FROM people.facts f, appeal a WHERE f.source_id = 'a-deal'",
        seller.id, tx.now, first.id, second.id,
    )  # fmt: skip
    await tx.execute("RESET ROLE")

    await service.count_labels(tx.conn)

    assert await _label_counts(tx) == {"financial": 1, "social": 1}
