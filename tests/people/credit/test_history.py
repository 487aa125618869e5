"""What changed, by which facts, in whose language; and everything that the scores know."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.front.api.app import create_app
from handsel.people.credit import history, service, showing
from handsel.people.credit.language import preferred
from handsel.people.credit.schemas import Fact, Snapshot, StoredReason, StoredScore
from handsel_ml.contract import FactKind
from tests.factories.members import Member, add_member, calling, create_member
from tests.people.credit.deals import good_deals


@pytest.fixture
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(create_app(settings, database)) as http:
        yield http


def _because(code: str, points: int) -> StoredReason:
    return StoredReason(code=code, points=points)


async def store(tx: Tx, member: Member, **social: Any) -> Snapshot:
    """A snapshot as an assessment would store it, with the social score as given."""
    await tx.flush()
    as_of = await tx.fetchval("SELECT people.open_assessment($1)", member.id)
    fields: dict[str, Any] = {
        "state": "scored", "points": 600, "band": "good", "low": 560, "high": 640, "pd": 0.06,
        "closed_deals": 5, "model_id": "social-1", "model_sha256": "0" * 64, "vector": (1.0,),
    }  # fmt: skip
    snapshot = Snapshot(
        member_id=member.id,
        as_of=as_of,
        facts_seen=0,
        facts_until=None,
        financial=StoredScore(kind="financial", **fields | {"model_id": "financial-1"}),
        social=StoredScore(kind="social", **fields | social),
    )
    for score in (snapshot.financial, snapshot.social):
        service._store(tx, snapshot, score)
    await tx.flush()
    return snapshot


def happened(tx: Tx, member: Member, other: Member, kind: FactKind, n: int = 0) -> Fact:
    one = good_deals(tx, member, [other])[0]
    return Fact(
        member_id=member.id,
        kind=kind,
        source_id=f"{kind}-{n}-{member.id}",
        happened_at=tx.now - timedelta(hours=1),
        order_id=one.order_id,
        counterparty_id=other.id,
        role="seller",
        value=5 if kind is FactKind.REVIEW_RECEIVED else None,
    )


async def test_last_change_is_told_with_its_facts_and_not_with_later_ones(tx: Tx) -> None:
    me, other = await add_member(tx), await add_member(tx)
    first = await store(tx, me)
    review = FactKind.REVIEW_RECEIVED
    service.record(tx, [happened(tx, me, other, review, n) for n in range(2)])
    service.record(tx, [happened(tx, me, other, FactKind.DELIVERED_ON_TIME)])
    second = await store(
        tx, me, points=612, high=650, reasons=(_because("reviews", 9), _because("disputes", 4))
    )
    service.record(tx, [happened(tx, me, other, FactKind.NO_SHOW)])
    await store(tx, me, points=612, high=650)

    shown = await history.own_credit(tx.conn, me.id, "en")

    change = shown.social.changed
    assert change is not None
    assert change.before is not None
    assert (change.before.as_of, change.before.points) == (first.as_of, 600)
    assert (change.now.as_of, change.now.points) == (second.as_of, 612)
    assert [fact.text for fact in change.facts] == ["2 reviews", "1 delivery on time"]
    assert [(r.code, r.points_before, r.points_now) for r in change.worse] == [
        ("reviews", None, 9), ("disputes", None, 4),
    ]  # fmt: skip
    assert change.better == ()
    assert shown.financial.changed is None


async def test_history_is_newest_first_and_leaves_out_what_did_not_change(tx: Tx) -> None:
    me = await add_member(tx)
    for points in (600, 600, 620, 620, 590):
        await store(tx, me, points=points, low=550, high=640)

    page = await history.own_history(tx.conn, b"s", me.id, "social", None, 10, "en")

    told = [(item.before and item.before.points, item.now.points) for item in page.items]
    assert told == [(620, 590), (600, 620), (None, 600)]
    assert page.next_cursor is None


async def test_history_walks_no_snapshot_that_changed_nothing(tx: Tx) -> None:
    me = await add_member(tx)
    for points in (600, *[610] * 30):
        await store(tx, me, points=points)

    plan = await tx.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {history._CHANGES}", me.id, "social", None, None, 10
    )

    walked = [node for node in _nodes(plan[0]["Plan"]) if node.get("Alias") == "s"]
    assert [node["Actual Rows"] for node in walked] == [2]
    assert sum(node.get("Rows Removed by Filter", 0) for node in walked) <= 1  # the financial one


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in _nodes(part))]


async def test_pages_of_history_join_without_a_gap(tx: Tx) -> None:
    me = await add_member(tx)
    for points in (600, 610, 620):
        await store(tx, me, points=points)

    whole = await history.own_history(tx.conn, b"s", me.id, None, None, 50, "en")
    cursor, items = None, []
    for _ in range(len(whole.items)):
        page = await history.own_history(tx.conn, b"s", me.id, None, cursor, 1, "en")
        items += page.items
        cursor = page.next_cursor

    assert len(whole.items) == 4
    assert (items, cursor) == (whole.items, None)


@pytest.mark.parametrize(
    ("before", "now", "better", "worse"),
    [
        ([("reviews", 9)], [("reviews", 4)], ["reviews"], []),
        ([("reviews", 9)], [], ["reviews"], []),
        ([], [("reviews", 9)], [], ["reviews"]),
        ([("reviews", 9)], [("reviews", 9)], [], []),
        # Out of the four, but perhaps only because others weigh more: nothing is said of it.
        (
            [("reviews", 5)],
            [("disputes", 9), ("answers", 8), ("no_shows", 7), ("listings", 6)],
            [],
            ["disputes", "answers", "no_shows", "listings"],
        ),
        # Out of the four, and more than the least of them before: it weighs less now.
        (
            [("reviews", 7)],
            [("disputes", 9), ("answers", 8), ("no_shows", 7), ("listings", 6)],
            ["reviews"],
            ["disputes", "answers", "no_shows", "listings"],
        ),
        ([("building_history", 0)], [("gone_group", 3)], [], []),
    ],
)
def test_what_got_better_and_worse(
    before: list[tuple[str, int]],
    now: list[tuple[str, int]],
    better: list[str],
    worse: list[str],
) -> None:
    found = showing.better_and_worse(
        [_because(*reason) for reason in before], [_because(*reason) for reason in now], "en"
    )

    assert [[change.code for change in side] for side in found] == [better, worse]


async def test_words_come_from_codes_when_somebody_reads(tx: Tx) -> None:
    me = await add_member(tx)
    old = StoredReason(code="reviews", points=3, text="As it was said then", help="And helped")
    await store(
        tx, me, reasons=(StoredReason(code="disputes", points=9, unknown=True), old,
                         _because("a_group_that_is_gone", 2)),
    )  # fmt: skip

    stored = await tx.fetchval(
        "SELECT reasons FROM people.score_snapshots WHERE member_id = $1 AND kind = 'social'", me.id
    )
    german = await history.own_credit(tx.conn, me.id, "de")
    chinese = await history.own_credit(tx.conn, me.id, "zh")

    assert stored[0] == {"code": "disputes", "points": 9, "unknown": True}
    assert [r.text for r in german.social.reasons] == [
        "Es gab noch keinen Streitfall", "As it was said then",
    ]  # fmt: skip
    assert [r.text for r in chinese.social.reasons] == ["还没有过争议", "As it was said then"]
    assert chinese.next_step == "有分歧时先在对话中商量，避免升级为争议"


async def test_failed_and_building_have_forms_of_their_own(tx: Tx) -> None:
    failed, building = await add_member(tx), await add_member(tx)
    nothing: dict[str, Any] = {"points": None, "band": None, "low": None, "high": None}
    await store(tx, failed, state="failed", failure="bundle_missing", **nothing)
    await store(tx, building, state="building_history", closed_deals=1, **nothing)

    views = [await history.own_credit(tx.conn, who.id, "en") for who in (failed, building)]

    assert [view.social.state for view in views] == ["failed", "building_history"]
    assert [view.social.points for view in views] == [None, None]
    assert [view.next_step for view in views] == [
        "Your scores cannot be computed at the moment; nothing for you to do.",
        "Protected orders still to complete before you have a score: 2.",
    ]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.9", "de"),
        ("zh-Hans-CN", "zh"),
        ("fr,de;q=0.3,zh;q=0.8", "zh"),
        ("en;q=0,de;q=0.1", "de"),
        ("fr", "en"),
        ("*;q=0.5", "en"),
        ("de;q=x, zh;q=", "en"),
        ("\x00;;,=;q=²", "en"),
    ],
)
def test_language_is_negotiated(header: str | None, language: str) -> None:
    assert preferred(header) == language


async def test_own_facts_in_words_and_nobody_elses(
    client: httpx.AsyncClient, database: Database
) -> None:
    me, other = await create_member(database), await create_member(database)
    await database.run(lambda tx: _deal(tx, me, other))

    path = "/v1/credit/facts"
    mine = (await client.get(f"{path}?language=de&limit=3", headers=me.headers)).json()
    rest = await client.get(path, params={"cursor": mine["next_cursor"]}, headers=me.headers)
    theirs = (await client.get(path, headers=other.headers)).json()
    stolen = await client.get(path, params={"cursor": mine["next_cursor"]}, headers=other.headers)

    items = [*mine["items"], *rest.json()["items"]]
    assert [item["kind"] for item in items] == [
        "review_received", "delivered_on_time", "order_settled", "order_funded",
    ]  # fmt: skip
    assert mine["items"][0]["text"] == "Du hast eine Bewertung bekommen: 5 von 5 Sternen"
    assert rest.json()["items"][0]["text"] == "An accepted order's money was held"
    assert rest.json()["next_cursor"] is None
    assert {item["id"][:4] for item in items} == {"fct_"}
    assert other.id.hex not in str(items)
    assert theirs == {"items": [], "next_cursor": None}
    assert (stolen.status_code, stolen.json()["code"]) == (400, "invalid_cursor")


async def _deal(tx: Tx, me: Member, other: Member) -> None:
    service.record(tx, good_deals(tx, me, [other]))
