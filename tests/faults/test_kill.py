"""kill -9 of the API, of the worker, of a backend and of the postmaster amid forty money requests.

Real processes against a server of this test's own. Whoever got no answer asks again with the same
key; in the end each request has had exactly one effect and the money is all there. What was left
unknown is looked up before it is asked again: done or not done, and both are told the truth.
"""

import asyncio
import sys
from collections import Counter

import asyncpg
import httpx
import pytest

from handsel.foundation.db import embedded
from tests.faults.asking import (
    BUYERS,
    REQUESTS,
    START,
    Request,
    ask_again,
    books,
    committed,
    each_has_one_effect,
    kill_in_the_middle,
    members,
    top_up,
    withdrawal,
    withdrawals,
)
from tests.faults.place import SAFE_ENOUGH, Place, eventually, ready

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the server's processes are found in /proc"
)


async def resolve(place: Place, http: httpx.AsyncClient, unknown: list[Request]) -> None:
    """Ask again for each; what had been done is replayed, what had not is done now."""
    done = await committed(place, unknown)
    for request in unknown:
        if 503 in {answer.status_code for answer in request.others}:
            assert request.key not in done  # "busy" is a promise that nothing has happened
    await ask_again(http, unknown)

    for request in unknown:
        replayed = "idempotent-replayed" in request.answers[0].headers
        assert replayed == (request.key in done)
    heard = Counter(a.status_code for request in unknown for a in request.others)
    print(f"unknown: {len(done)} done, {len(unknown) - len(done)} not done; told {dict(heard)}")
    assert 0 < len(unknown) <= REQUESTS - 5


async def test_the_api_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    requests = withdrawals(people)

    unknown = await kill_in_the_middle(http, requests, lambda: place.kill("serve"))
    place.start("serve")
    await ready(place)
    await resolve(place, http, unknown)

    assert all(request.answers for request in unknown), "each unknown was resolved"
    await each_has_one_effect(place, http, people, requests)


async def test_a_backend_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    requests = withdrawals(people)

    unknown = await kill_in_the_middle(http, requests, place.kill_backend)
    await resolve(place, http, unknown)

    # The API lives: nobody is left without an answer, and each says what is known.
    told = {(a.status_code, a.json()["code"]) for request in unknown for a in request.others}
    assert told <= {(503, "busy"), (504, "outcome_unknown")}
    assert all(request.others for request in unknown)
    await each_has_one_effect(place, http, people, requests)


async def test_the_postmaster_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    requests = withdrawals(people)

    unknown = await kill_in_the_middle(http, requests, place.kill_postmaster)
    away = Request(people[0][0], requests[0].path, requests[0].body, key=requests[0].key)
    answered = await away.send(http)
    await asyncio.to_thread(embedded.start, place.home, lifetime="tied", settings=SAFE_ENOUGH)
    await resolve(place, http, unknown)

    assert not answered
    assert {(a.status_code, a.json()["code"]) for a in away.others} == {(503, "busy")}
    await each_has_one_effect(place, http, people, requests)


async def test_a_hundred_clients_of_two_apis_race_under_one_key(
    place: Place, http: httpx.AsyncClient
) -> None:
    people = await members(place, 1)
    race = withdrawal(*people[0], 777)
    place.start("second", "serve")
    await ready(place, "second")

    async with httpx.AsyncClient(base_url=place.address("second"), timeout=20) as other:
        await asyncio.gather(*(race.send(http if n % 2 else other) for n in range(100)))
        place.kill("second")

    assert len(race.answers) + len(race.others) == 100
    assert {answer.status_code for answer in race.others} <= {409}
    assert {answer.headers["retry-after"] for answer in race.others} <= {"1"}
    assert sum("idempotent-replayed" not in answer.headers for answer in race.answers) == 1
    await each_has_one_effect(place, http, people, [race])


async def test_the_worker_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    tokens = ["tok_ok", "tok_ok", "tok_declined", "tok_ok", "tok_lost_answer"]
    requests = [
        top_up(people[n % BUYERS][0], tokens[n % len(tokens)], 100 + n) for n in range(REQUESTS)
    ]
    conn = await asyncpg.connect(place.url)

    async def decided(at_least: int) -> bool:
        assert place.running["worker"].is_alive(), place.log("worker")
        found: int = await conn.fetchval(
            "SELECT count(*) FROM money.top_ups WHERE state <> 'pending' AND member_id = ANY($1)",
            [who.id for who, _ in people],
        )
        return found >= at_least

    for request in requests:
        assert await request.send(http)
    place.start("worker")
    await eventually(lambda: decided(3), "the worker does nothing")
    place.kill("worker")
    left = await conn.fetchval("SELECT count(*) FROM money.top_ups WHERE state = 'pending'")
    # What the dead worker held is taken back after thirty seconds without a sign: let them be over.
    await conn.execute("UPDATE jobs.pgqueuer SET heartbeat = heartbeat - interval '1 minute'")
    place.start("worker")
    await eventually(lambda: decided(REQUESTS), "a top-up was lost")

    assert left > 0
    for who, _ in people:
        mine = [r.body for r in requests if r.who is who]
        paid = sum(b["amount"]["amount_minor"] for b in mine if b["token"] != "tok_declined")
        wallet, _, _, all_money = await books(place, who)
        assert (wallet, all_money) == (START + paid, 0)
    await conn.close()
    place.kill("worker")
    assert await place.violations() == []
