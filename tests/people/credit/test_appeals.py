"""Appeals: contested by their member alone, decided by two of the staff, replayable to the bit."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from handsel.foundation.core.errors import Invalid, NotFound, Problem
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import appeals, deciding, history, queries, service
from handsel.people.credit.assessment import scores_of
from handsel.people.credit.errors import (
    AnswerMissing,
    AppealCounterparty,
    AppealDecided,
    AppealNeedsSecond,
    AppealNotProposed,
    FactContested,
    FactRetracted,
    NothingUpheld,
    OwnAppeal,
    ProposalChanged,
    TooManyAppeals,
)
from handsel.people.credit.models import models_in
from handsel.people.credit.schemas import Fact
from handsel.people.credit.views import AppealInput, AppealState, AppealView
from handsel_ml.contract import FactKind
from tests.factories.members import Member, add_member
from tests.people.credit.deals import good_deals


class Case:
    """A member whose three good deals ended with a lost dispute, and three members of staff."""

    def __init__(self, me: Member, other: Member, staff: list[Member]) -> None:
        self.me, self.other = me, other
        self.first, self.second, self.third = staff
        self.lost = self.theirs = self.settled = UUID(int=0)

    async def file(self, tx: Tx, *facts: UUID, **more: Any) -> AppealView:
        named = [encode("fct", fact) for fact in facts]
        data = AppealInput(about="social", text="It was not like that", facts=named, **more)
        return await appeals.file(tx, self.me.id, data)

    async def filed(self, tx: Tx, *facts: UUID) -> UUID:
        return decode("apl", (await self.file(tx, *facts)).id)

    async def agree(self, tx: Tx, appeal: UUID, by: UUID | None = None) -> AppealState:
        """Confirm what is proposed now; the second member of staff, unless somebody else."""
        return await deciding.confirm(tx, by or self.second.id, appeal, await digest(tx, appeal))


@pytest.fixture
async def case(tx: Tx) -> Case:
    return await _case(tx)


async def _case(tx: Tx) -> Case:
    me, *others = [await add_member(tx) for _ in range(4)]
    staff = [await add_member(tx) for _ in range(3)]
    await _appoint(tx, *staff)
    made = Case(me, others[0], staff)
    deals = good_deals(tx, me, others)
    service.record(tx, [*deals, _dispute(tx, me, others[0]), _dispute(tx, others[0], me)])
    await tx.flush()
    rows = await tx.fetch("SELECT id, member_id, kind FROM people.facts ORDER BY id")
    for row in rows:
        if (row["member_id"], row["kind"]) == (me.id, "dispute_lost"):
            made.lost = row["id"]
        elif (row["member_id"], row["kind"]) == (others[0].id, "dispute_lost"):
            made.theirs = row["id"]
        elif (row["member_id"], row["kind"]) == (me.id, "order_settled"):
            made.settled = row["id"]
    return made


async def _appoint(tx: Tx, *members: Member) -> None:
    await tx.execute("SET LOCAL ROLE handsel_owner")
    await tx.execute(
        "UPDATE people.members SET is_staff = true WHERE id = ANY ($1)", [m.id for m in members]
    )
    await tx.execute("RESET ROLE")


def _dispute(tx: Tx, about: Member, other: Member) -> Fact:
    return Fact(
        member_id=about.id,
        kind=FactKind.DISPUTE_LOST,
        source_id="the-dispute",
        happened_at=tx.now - timedelta(hours=1),
        order_id=UUID(int=7),
        counterparty_id=other.id,
        role="seller",
    )


async def digest(tx: Tx, appeal: UUID) -> str:
    """What names the proposal of now."""
    found = await tx.fetchval(
        "SELECT proposal || jsonb_build_object('proposed_by', proposed_by)"
        "  FROM people.appeals WHERE id = $1",
        appeal,
    )
    return msgspec.convert(found, deciding.Proposal).digest() if found else ""


async def everything(tx: Tx) -> list[Any]:
    """What a refusal must leave as it was."""
    await tx.flush()
    return [
        [dict(row) for row in await tx.fetch(f"SELECT * FROM people.{table} ORDER BY 1, 2")]
        for table in ("appeals", "appeal_facts", "fact_retractions")
    ]


async def refused(tx: Tx, kind: type[Problem], act: Callable[[], Awaitable[Any]]) -> None:
    async def attempt() -> None:
        async with tx.conn.transaction():
            await act()
            await tx.flush()

    before = await everything(tx)
    with pytest.raises(kind):
        await attempt()
    tx._calls.clear()
    tx._events.clear()
    assert await everything(tx) == before


async def told(tx: Tx, stream: str = "credit") -> list[str]:
    await tx.flush()
    rows = await tx.fetch(
        "SELECT action FROM foundation.audit_entries WHERE stream = $1 AND action LIKE 'appeal%'"
        " ORDER BY id",
        stream,
    )
    return [row["action"] for row in rows]


async def test_filed_with_its_deadline(tx: Tx, case: Case) -> None:
    view = await case.file(tx, case.lost)

    assert (view.state, view.about, view.answer) == ("open", "social", "")
    assert (view.filed_at, view.deadline_at) == (tx.now, tx.now + timedelta(days=30))
    assert [(f.id, f.kind, f.retracted_at) for f in view.facts] == [
        (encode("fct", case.lost), "dispute_lost", None)
    ]
    assert await told(tx) == ["appeal_filed"]
    shown = await history.own_facts(tx.conn, b"s", case.me.id, None, 50, "en")
    assert {f.id: f.appeal_id for f in shown.items}[encode("fct", case.lost)] == view.id


async def test_what_cannot_be_contested(tx: Tx, case: Case) -> None:
    await case.file(tx, case.lost)

    await refused(tx, NotFound, lambda: case.file(tx, uuid4()))
    await refused(tx, NotFound, lambda: case.file(tx, case.theirs))
    await refused(tx, NotFound, lambda: case.file(tx, decision_id=encode("dec", uuid4())))
    await refused(tx, NotFound, lambda: case.file(tx, decision_id="nonsense"))
    blank = AppealInput(about="social", text=" \n ")
    await refused(tx, Invalid, lambda: appeals.file(tx, case.me.id, blank))


async def test_a_fact_is_contested_once_at_a_time(tx: Tx, case: Case) -> None:
    await case.file(tx, case.lost)

    with pytest.raises(asyncpg.UniqueViolationError, match="appeal_facts_once"):
        async with tx.conn.transaction():
            await case.file(tx, case.settled, case.lost)


async def test_three_at_a_time(tx: Tx, case: Case) -> None:
    filed = [await case.filed(tx) for _ in range(3)]

    await refused(tx, TooManyAppeals, lambda: case.file(tx))
    await deciding.deny(tx, case.first.id, filed[0], "It was so")

    assert (await case.file(tx)).state == "open"


async def test_two_staff_take_a_wrong_fact_out_and_the_score_rises(tx: Tx, case: Case) -> None:
    before = await service.refresh(tx, case.me.id)
    appeal = await case.filed(tx, case.lost)

    await deciding.propose(tx, case.first.id, appeal, [case.lost], "The ruling was reversed")
    untouched = await service.refresh(tx, case.me.id)
    outcome = await case.agree(tx, appeal)
    after = await service.refresh(tx, case.me.id)
    await tx.flush()

    assert outcome == "upheld"
    assert before.social.points is not None
    assert untouched.social.points == before.social.points
    assert after.social.points is not None
    assert after.social.points > before.social.points
    assert (before.facts_seen, after.facts_seen) == (13, 12)
    row = await tx.fetchrow("SELECT * FROM people.fact_retractions")
    assert row is not None
    assert (row["fact_id"], row["member_id"], row["appeal_id"], row["reason"]) == (
        case.lost, case.me.id, appeal, "The ruling was reversed",
    )  # fmt: skip
    assert (row["proposed_by"], row["confirmed_by"]) == (case.first.id, case.second.id)
    assert untouched.as_of <= row["retracted_at"] < after.as_of
    view = await appeals.one(tx, appeal, case.me.id)
    assert (view.state, view.answer, view.decided_at) == (
        "upheld", "The ruling was reversed", tx.now,
    )  # fmt: skip
    assert view.facts[0].retracted_at == row["retracted_at"]
    change = (await history.own_credit(tx.conn, case.me.id, "en")).social.changed
    assert change is not None
    assert [fact.text for fact in change.facts] == ["1 fact taken out after an appeal"]
    assert "disputes" in [reason.code for reason in change.better]
    assert await told(tx) == ["appeal_filed", "appeal_proposed", "appeal_upheld"]


async def test_an_older_snapshot_is_made_again_to_the_bit(tx: Tx, case: Case) -> None:
    before = await service.refresh(tx, case.me.id)
    appeal = await case.filed(tx, case.lost)
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong")
    await case.agree(tx, appeal)
    await service.refresh(tx, case.me.id)
    await tx.flush()

    facts = await queries.facts_before(tx, case.me.id, before.as_of)
    again = scores_of(facts, before.as_of, models_in())

    assert len(facts) == 13
    assert repr(again["social"]) == repr(before.social)
    assert repr(again["financial"]) == repr(before.financial)


async def test_an_assessment_of_the_same_moment_comes_after_it(database: Database) -> None:
    case = await database.run(_case)
    appeal = await database.run(lambda tx: case.filed(tx, case.lost))

    async def at_once(tx: Tx) -> tuple[int, bool]:
        await deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong")
        await case.agree(tx, appeal)
        snapshot = await service.refresh(tx, case.me.id)
        moment = await tx.fetchval("SELECT retracted_at FROM people.fact_retractions")
        return snapshot.facts_seen, moment == tx.now < snapshot.as_of

    assert await database.run(at_once) == (12, True)


async def test_the_other_side_of_the_deal_keeps_its_own_fact(tx: Tx, case: Case) -> None:
    theirs = await queries.facts_before(tx, case.other.id, tx.now + timedelta(days=1))
    appeal = await case.filed(tx, case.lost)
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong")
    await case.agree(tx, appeal)
    await tx.flush()

    assert await queries.facts_before(tx, case.other.id, tx.now + timedelta(days=1)) == theirs
    assert len(theirs) == 1


async def test_upheld_in_part_keeps_the_rest(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost, case.settled)
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "Only the dispute was wrong")

    outcome = await case.agree(tx, appeal)
    await tx.flush()

    assert outcome == "partly"
    view = await appeals.one(tx, appeal, case.me.id)
    assert {f.kind for f in view.facts if f.retracted_at} == {FactKind.DISPUTE_LOST}
    # What stays may be contested again, what is out may not.
    await refused(tx, FactRetracted, lambda: case.file(tx, case.lost))
    assert (await case.file(tx, case.settled)).state == "open"


async def test_denied_changes_nothing_but_the_appeal(tx: Tx, case: Case) -> None:
    before = await service.refresh(tx, case.me.id)
    appeal = await case.filed(tx, case.lost)

    await deciding.deny(tx, case.first.id, appeal, " The ruling stands ")
    after = await service.refresh(tx, case.me.id)

    view = await appeals.one(tx, appeal, case.me.id)
    assert (view.state, view.answer) == ("denied", "The ruling stands")
    assert not await tx.fetch("SELECT FROM people.fact_retractions")
    assert (after.facts_seen, after.social.points) == (before.facts_seen, before.social.points)


async def test_nobody_decides_alone_or_about_themselves(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost)
    me, first, second = case.me.id, case.first.id, case.second.id

    await refused(tx, AppealNotProposed, lambda: case.agree(tx, appeal, first))
    await refused(tx, OwnAppeal, lambda: deciding.propose(tx, me, appeal, [case.lost], "Mine"))
    await deciding.propose(tx, first, appeal, [case.lost], "Wrong")
    await refused(tx, AppealNeedsSecond, lambda: case.agree(tx, appeal, first))
    await refused(tx, OwnAppeal, lambda: case.agree(tx, appeal, me))
    await refused(tx, OwnAppeal, lambda: deciding.deny(tx, me, appeal, "No"))

    await case.agree(tx, appeal, second)
    await refused(tx, AppealDecided, lambda: case.agree(tx, appeal, second))
    await refused(tx, AppealDecided, lambda: deciding.deny(tx, second, appeal, "No"))
    await refused(
        tx, AppealDecided, lambda: deciding.propose(tx, second, appeal, [case.lost], "Again")
    )


async def test_what_was_not_seen_is_not_confirmed(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx)
    first, second, third = case.first.id, case.second.id, case.third.id
    await deciding.propose(tx, first, appeal, [case.lost], "One dispute was wrong")
    _, seen = await deciding.read(tx, second, appeal)
    assert seen is not None

    for by, facts, answer in (
        (first, [case.lost, case.settled], "One dispute was wrong"),
        (first, [case.lost], "All of it was wrong"),
        (third, [case.lost], "One dispute was wrong"),
    ):
        await deciding.propose(tx, by, appeal, facts, answer)
        await refused(
            tx, ProposalChanged, lambda: deciding.confirm(tx, second, appeal, seen.digest())
        )
    await deciding.propose(tx, first, appeal, [case.lost], "One dispute was wrong")

    assert await deciding.confirm(tx, second, appeal, seen.digest()) == "upheld"


async def test_the_other_side_of_a_fact_does_not_decide_on_it(tx: Tx, case: Case) -> None:
    await _appoint(tx, case.other)
    other, named, open_to_all = case.other.id, await case.filed(tx, case.lost), await case.filed(tx)

    await refused(
        tx, AppealCounterparty, lambda: deciding.propose(tx, other, named, [case.lost], "Fine")
    )
    await refused(tx, AppealCounterparty, lambda: deciding.deny(tx, other, named, "No"))
    await refused(
        tx, AppealCounterparty,
        lambda: deciding.propose(tx, other, open_to_all, [case.lost], "Found it"),
    )  # fmt: skip
    for appeal in (named, open_to_all):
        await deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong")
        await refused(tx, AppealCounterparty, partial(case.agree, tx, appeal, other))

    assert await case.agree(tx, named) == "upheld"


@pytest.mark.parametrize("named", [False, True], ids=["found by staff", "named"])
async def test_a_fact_is_not_contested_while_it_is_taken_out(
    database: Database, named: bool
) -> None:
    case = await database.run(_case)
    appeal = await database.run(lambda tx: case.filed(tx, *[case.lost] * named))
    await database.run(lambda tx: deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong"))
    attempts: list[int] = []
    began = asyncio.Event()

    async def file(tx: Tx) -> AppealView:
        attempts.append(await tx.fetchval("SELECT pg_backend_pid()"))
        began.set()
        return await case.file(tx, case.lost)

    async def confirm(tx: Tx) -> asyncio.Task[AppealView]:
        await case.agree(tx, appeal)
        filing = asyncio.create_task(database.run(file))
        await began.wait()
        while not await tx.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", attempts[0]):
            assert not filing.done()
        return filing

    filing = await database.run(confirm)

    with pytest.raises(FactRetracted):
        await filing
    assert len(attempts) == 1  # no deadlock: it did not have to begin again
    async with database.reading() as conn:
        found = await conn.fetch("SELECT id FROM people.appeals WHERE member_id = $1", case.me.id)
    assert [row["id"] for row in found] == [appeal]


async def test_the_audit_chain_keeps_no_words(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost)
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "A private answer")
    await case.agree(tx, appeal)
    await deciding.deny(tx, case.first.id, await case.filed(tx), "A private answer")
    await tx.flush()

    rows = await tx.fetch(
        "SELECT action, body FROM foundation.audit_entries WHERE stream = 'credit' ORDER BY id"
    )

    said = hashlib.sha256(b"It was not like that").hexdigest()
    answer = hashlib.sha256(b"A private answer").hexdigest()
    facts = [str(case.lost)]
    kept = {row["action"]: row["body"] for row in rows}
    first = next(row["body"] for row in rows if row["action"] == "appeal_filed")
    assert not any(
        words in str(row["body"]) for row in rows for words in ("private", "not like that")
    )
    assert (first["words_sha256"], first["facts"]) == (said, facts)
    assert kept["appeal_proposed"] == {
        "appeal_id": str(appeal), "facts": facts, "answer_sha256": answer,
    }  # fmt: skip
    assert kept["appeal_upheld"] == {
        "appeal_id": str(appeal), "answer_sha256": answer,
        "proposal": {"by": str(case.first.id), "facts": facts},
    }  # fmt: skip
    assert (kept["appeal_denied"]["answer_sha256"], kept["appeal_denied"]["proposal"]) == (
        answer, None,
    )  # fmt: skip


async def test_a_proposal_says_what_was_wrong_and_why(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost)

    async def proposed(facts: list[UUID], answer: str = "Wrong") -> None:
        await deciding.propose(tx, case.first.id, appeal, facts, answer)

    await refused(tx, NothingUpheld, lambda: proposed([]))
    await refused(tx, NotFound, lambda: proposed([case.settled]))
    await refused(tx, AnswerMissing, lambda: proposed([case.lost], "  "))
    await refused(tx, AnswerMissing, lambda: proposed([case.lost], "x" * 801))
    await refused(tx, NotFound, lambda: deciding.confirm(tx, case.first.id, uuid4(), "x"))


async def test_where_no_fact_is_named_staff_may_find_it(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx)

    await refused(
        tx, NotFound,
        lambda: deciding.propose(tx, case.first.id, appeal, [case.theirs], "Not of this member"),
    )  # fmt: skip
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "We found it")

    assert await case.agree(tx, appeal) == "upheld"
    await tx.flush()
    assert await tx.fetchval("SELECT fact_id FROM people.fact_retractions") == case.lost


async def test_whoever_looks_is_written_down(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost)
    await deciding.propose(tx, case.first.id, appeal, [case.lost], "Wrong")

    found = await deciding.waiting(tx, case.second.id)
    view, proposal = await deciding.read(tx, case.second.id, appeal)
    await tx.flush()

    assert [one.id for one in found] == [view.id]
    assert proposal == deciding.Proposal(
        proposed_by=case.first.id, facts=(case.lost,), answer="Wrong"
    )
    row = await tx.fetchrow(
        "SELECT actor_id, subject_id FROM foundation.audit_entries WHERE action = 'appeal_read'"
    )
    assert row is not None
    assert tuple(row) == (case.second.id, case.me.id)
    assert (await told(tx))[-2:] == ["appeals_listed", "appeal_read"]


async def test_the_database_takes_nothing_out_without_two_of_the_staff(tx: Tx, case: Case) -> None:
    appeal = await case.filed(tx, case.lost)
    retract = "SELECT people.retract_facts($1, $2)"

    async def attempt(by: tuple[Member, Member] | None, fact: UUID = case.lost) -> None:
        async with tx.conn.transaction():
            if by:
                await _decide(tx, appeal, *by)
            await tx.execute(retract, appeal, [fact])

    with pytest.raises(asyncpg.PostgresError, match="appeal_not_proposed"):
        await attempt(None)
    for alone in ((case.first, case.first), (case.me, case.first), (case.first, case.me)):
        with pytest.raises(asyncpg.CheckViolationError):
            await attempt(alone)
    with pytest.raises(asyncpg.PostgresError, match="appeal_needs_second"):
        await attempt((case.other, case.first))
    with pytest.raises(asyncpg.PostgresError, match="not_found"):
        await attempt((case.second, case.first), case.theirs)
    await _appoint(tx, case.other)
    for pair in ((case.other, case.first), (case.first, case.other)):
        with pytest.raises(asyncpg.PostgresError, match="appeal_counterparty"):
            await attempt(pair)

    assert not await tx.fetch("SELECT FROM people.fact_retractions")


async def _decide(tx: Tx, appeal: UUID, proposed_by: Member, decided_by: Member) -> None:
    await tx.execute(
        "UPDATE people.appeals SET state = 'upheld', answer = 'x', decided_at = $2,"
        " proposal = '{}', proposed_by = $3, decided_by = $4 WHERE id = $1",
        appeal, tx.now, proposed_by.id, decided_by.id,
    )  # fmt: skip


async def test_a_retraction_is_never_changed(database: Database) -> None:
    async with database.reading() as conn:
        for statement in (
            "INSERT INTO people.fact_retractions (fact_id) VALUES (uuidv7())",
            "UPDATE people.fact_retractions SET reason = 'x'",
            "DELETE FROM people.fact_retractions",
            "DELETE FROM people.appeals",
            "UPDATE people.appeals SET words = 'x'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


def test_contested_twice_is_a_conflict() -> None:
    assert (FactContested.code, FactContested.status) == ("fact_contested", 409)
