"""Payout methods: added with the password, usable at once only as the first, removed any time."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories.members import PASSWORD
from tests.journeys.story import Member, Story
from tests.money.payments.purses import (
    earn,
    everything,
    id_of,
    method,
    moved,
    refused_withdrawal,
    told,
    withdraw,
)

COOLING = timedelta(days=3)


async def listed(member: Member) -> list[tuple[str, bool]]:
    page = await member.get("/v1/payout-methods")
    return [(item["label"], item["is_default"]) for item in page["items"]]


async def removed(story: Story, member: Member, bank: str) -> int:
    answer = await story.http.delete(
        f"/v1/payout-methods/{bank}", headers={"Authorization": f"Bearer {member.token}"}
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("password", "status", "code"),
    [
        ("not it at all", 403, "wrong_password"),
        (None, 422, "invalid"),
        pytest.param("x" * 1025, 422, "invalid", id="too_long"),
    ],
)
async def test_a_session_without_the_password_adds_nothing(
    story: Story, password: str | None, status: int, code: str
) -> None:
    member = await story.person()
    before = await everything(story)

    body: dict[str, Any] = {"token": "bank_ok", "label": "Mine"}
    problem = await member.refused(
        "/v1/payout-methods", body | ({"password": password} if password else {}), status
    )

    assert problem["code"] == code
    assert await everything(story) == before
    assert await listed(member) == []


async def test_the_first_can_be_used_at_once_and_the_second_after_three_days(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)

    first = await method(member, "bank_ok", "First")
    second = await method(member, "bank_other", "Second")
    before = await everything(story)
    cooling = await refused_withdrawal(member, second, 300, 409)
    untouched = await everything(story)
    out = await withdraw(member, first, 300)
    await story.pass_time(COOLING - timedelta(seconds=5))
    still = await refused_withdrawal(member, second, 300, 409)
    await story.move_clock(timedelta(seconds=5))
    later = await withdraw(member, second, 300)

    assert (cooling["code"], still["code"]) == ("payout_method_cooling",) * 2
    assert cooling["usable_from"] == still["usable_from"]
    assert untouched == before
    assert (out["state"], later["state"]) == ("pending", "pending")


async def test_removing_the_only_one_does_not_make_the_next_one_the_first(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    mine = await method(member)

    assert await removed(story, member, mine) == 204
    theirs = await method(member, "bank_thief")

    problem = await refused_withdrawal(member, theirs, 300, 409)
    assert problem["code"] == "payout_method_cooling"
    assert (await refused_withdrawal(member, mine, 300, 409))["code"] == "unknown_payout_method"


async def test_one_that_was_removed_in_time_is_never_paid_to(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    await method(member, "bank_ok", "Mine")
    theirs = await method(member, "bank_thief", "Theirs")

    assert await removed(story, member, theirs) == 204
    await story.pass_time(COOLING)

    assert (await refused_withdrawal(member, theirs, 300, 409))["code"] == "unknown_payout_method"
    assert await listed(member) == [("Mine", True)]
    assert await removed(story, member, theirs) == 404


async def test_what_waits_for_a_method_that_is_removed_comes_back(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    bank = await method(member)
    out = await withdraw(member, bank, 300)

    assert await removed(story, member, bank) == 204
    await story.drain()

    found = await member.get(f"/v1/wallet/withdrawals/{out['id']}")
    assert (found["state"], found["failure"]) == ("stopped", "payout_method_removed")
    assert await moved(story, out["id"]) == [("withdraw", 300), ("withdraw_stopped", 300)]
    assert await member.available() == (1000, 0, 0)


async def test_a_bank_account_is_added_once(story: Story) -> None:
    member, other = await story.person(), await story.person()
    first = await method(member)
    await method(other)

    body = {"token": "bank_ok", "label": "The same", "password": PASSWORD}
    problem = await member.refused("/v1/payout-methods", body, 409)

    assert (problem["code"], problem["payout_method"]) == ("payout_method_exists", first)
    assert await listed(member) == [("My bank", True)]


async def test_a_removed_account_may_be_added_again_and_cools_off(story: Story) -> None:
    member = await story.person()
    first = await method(member)
    await removed(story, member, first)

    again = await method(member)

    [item] = (await member.get("/v1/payout-methods"))["items"]
    assert (item["id"], item["is_default"]) == (again, True)
    assert item["usable_from"] > item["created_at"]


async def test_the_default_goes_to_the_oldest_that_is_left(story: Story) -> None:
    member = await story.person()
    first = await method(member, "bank_a", "A")
    await method(member, "bank_b", "B")
    third = await method(member, "bank_c", "C")

    too_soon = await member.refused(f"/v1/payout-methods/{third}/default", None, 409)
    await story.move_clock(COOLING)
    await member.made(f"/v1/payout-methods/{third}/default")
    chosen = await listed(member)
    await removed(story, member, third)

    assert too_soon["code"] == "payout_method_cooling"
    assert chosen == [("A", False), ("B", False), ("C", True)]
    assert await listed(member) == [("A", True), ("B", False)]
    assert first != third


async def test_the_owner_hears_of_it_by_every_verified_contact(story: Story) -> None:
    member = await story.member()  # its address is verified by a code
    address = f"{member.handle}@example.com"
    await method(member, "bank_ok", "First")

    await method(member, "bank_other", "Other")
    await story.drain()

    mails = (await story.http.get("/v1/sandbox/messages", params={"to": address})).json()["items"]
    assert '"Other"' in mails[0]["text"]
    assert "Was it not you?" in mails[0]["text"]
    assert (await told(member)).count("payout_method_added") == 2


async def test_what_is_somebody_elses_is_not_there(story: Story) -> None:
    owner, other = await story.person(), await story.person()
    await earn(story, other, 1000)
    bank = await method(owner)

    refused = await refused_withdrawal(other, bank, 300, 409)

    assert refused["code"] == "unknown_payout_method"
    assert await removed(story, other, bank) == 404
    await other.refused(f"/v1/payout-methods/{bank}/default", None, 404)
    assert await listed(other) == []
    assert await listed(owner) == [("My bank", True)]


async def test_every_act_is_in_the_audit_chain(story: Story) -> None:
    member = await story.person()
    bank = await method(member)
    await removed(story, member, bank)

    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT action FROM foundation.audit_entries WHERE actor_id = $1 AND stream = 'money'"
            " ORDER BY id",
            id_of(member),
        )
    assert [row["action"] for row in rows] == ["add_payout_method", "remove_payout_method"]
