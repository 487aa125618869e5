"""A process dies in a named line: what was done there and what was not is no matter of chance."""

import sys

import httpx
import pytest

from tests.faults.asking import (
    START,
    ask_again,
    books,
    committed,
    each_has_one_effect,
    members,
    top_up,
    top_up_states,
    withdrawal,
)
from tests.faults.doomed import DEAD, KEY
from tests.faults.place import Place, eventually, ready

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the server's processes are found in /proc"
)


@pytest.mark.parametrize(
    ("point", "done"),
    [
        ("before_claim", False),
        ("after_claim", False),
        ("before_commit", False),
        ("after_commit", True),
    ],
)
async def test_an_api_that_dies_at_a_named_point_has_one_effect(
    place: Place, http: httpx.AsyncClient, point: str, done: bool
) -> None:
    people = await members(place, 1)
    request = withdrawal(*people[0], 1234, f"{KEY}-{point}")
    place.start(point, "serve", point=point)
    await ready(place, point)

    async with httpx.AsyncClient(base_url=place.address(point), timeout=20) as dying:
        answered = await request.send(dying)
    status = await place.death(point)
    found = await committed(place, [request])
    await ask_again(http, [request])

    assert (answered, request.others, status) == (False, [], DEAD), place.log(point)
    assert found == ({request.key} if done else set())
    assert ("idempotent-replayed" in request.answers[0].headers) == done
    await each_has_one_effect(place, http, people, [request])


@pytest.mark.parametrize(
    ("point", "state"),
    [("before_job:payments.charge", "pending"), ("after_effect:payments.charge", "succeeded")],
)
async def test_a_worker_that_dies_at_a_named_point_has_one_effect(
    place: Place, http: httpx.AsyncClient, point: str, state: str
) -> None:
    [(who, _)] = await members(place, 1)
    request = top_up(who, "tok_ok", 1234)
    assert await request.send(http)

    place.start("doomed-worker", "worker", point=point)
    status = await place.death("doomed-worker")
    states = await top_up_states(place, [request])
    # What the dead worker held is taken back after thirty seconds without a sign: let them be over.
    taken = await place.fetchrow(
        "WITH held AS (UPDATE jobs.pgqueuer SET heartbeat = heartbeat - interval '1 minute'"
        " RETURNING entrypoint)"
        " SELECT count(*) FROM held WHERE entrypoint = 'payments.charge'"
    )
    place.start("worker")

    async def acknowledged() -> bool:
        row = await place.fetchrow(
            "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'payments.charge'"
        )
        return bool(row[0] == 0)

    await eventually(acknowledged, "the job is never done")
    place.kill("worker")

    assert (status, states, taken[0]) == (DEAD, [state], 1), place.log("doomed-worker")
    assert await top_up_states(place, [request]) == ["succeeded"]
    wallet, _, _, all_money = await books(place, who)
    assert (wallet, all_money) == (START + 1234, 0)
    assert await place.violations() == []
