"""The house as a newcomer has it: started, wounded, healed, stopped, started again."""

import signal
import socket
from pathlib import Path

import httpx

from handsel.foundation.db import embedded
from tests.front.house import House, handsel, is_alive, until


def test_it_says_what_a_newcomer_needs(house: House) -> None:
    for needed in (
        f"{house.url}/",
        f"{house.url}/docs",
        f"PORT={house.port} HANDSEL_HOME={house.home} .venv/bin/handsel demo",
        "Ctrl-C",
        "make reset",
        "postgres",
    ):
        assert needed in house.said


def test_a_second_supervisor_of_the_same_home_is_refused(house: House) -> None:
    refused = handsel(house.home, "run")

    assert refused.returncode == 2
    assert f"already runs on {house.home} (process {house.pid})" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_running_home_is_not_reset(house: House) -> None:
    refused = handsel(house.home, "db", "reset", "--yes")

    assert (refused.returncode, house.is_ready()) == (2, True)


def test_the_demo_runs_through(house: House) -> None:
    played = handsel(house.home, "demo", PORT=str(house.port))

    assert (played.returncode, played.stderr) == (0, ""), played.stdout[-2000:]
    assert played.stdout.strip().endswith("0 violations")


def test_what_is_killed_comes_back(house: House) -> None:
    killed = house.kill("serve")
    until("the API's return", lambda: house.is_whole(without=killed))
    killed = house.kill("worker")
    until("the worker's return", lambda: house.is_whole(without=killed))

    assert "The API was ended by SIGKILL; starting it again in 0.5 s" in house.said
    assert "The worker was ended by SIGKILL; starting it again in 0.5 s" in house.said


def test_a_killed_database_comes_back_with_its_data(house: House) -> None:
    clock = f"{house.url}/v1/sandbox/clock"
    moved = httpx.post(clock, json={"advance": "PT1H"}, trust_env=False).json()["ahead"]
    killed = house.kill("postgres")

    until("the database's return", lambda: house.is_whole(without=killed))

    assert httpx.get(clock, trust_env=False).json()["ahead"] == moved
    assert "The database has ended; starting it again" in house.said


def test_a_killed_supervisor_blocks_nothing(house: House) -> None:
    left = house.children()
    house.signal(signal.SIGKILL)
    until("the end of its children", lambda: not any(map(is_alive, left.values())))

    house.start("--no-seed")

    assert house.is_whole()
    assert handsel(house.home, "check").returncode == 0


def test_it_stops_when_asked_and_leaves_nothing(house: House) -> None:
    left = house.children()

    status = house.signal(signal.SIGTERM)

    assert (status, [pid for pid in left.values() if is_alive(pid)]) == (0, [])
    assert "Stopped. The data stays" in house.said
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", house.port))


def test_a_start_that_is_interrupted_begins_again(tmp_path: Path) -> None:
    other = House(tmp_path)
    other.launch()
    try:
        until("the town", lambda: "days to go" in other.said)
        assert other.signal(signal.SIGTERM) == 130
        assert "Interrupted while starting" in other.said
        other.launch()
        until("a new beginning", lambda: "left unfinished; beginning again" in other.said)
    finally:
        other.end()
        embedded.reset(tmp_path)
