"""Twenty thousand commands against the auditor, and Hypothesis, which finds the shortest way."""

import asyncio
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from handsel.foundation.db.embedded import ServerAddress
from tests.money.proof import soak
from tests.money.proof.driver import proving
from tests.money.proof.machine import MoneyMachine

STEPS = 20_000
SEED = int(os.environ.get("SEED", "1"))
#: What the commands write must be looked at; these look at what only other rooms write.
_ELSEWHERE = (
    "L12", "L15", "L16", "L18", "L19", "L20", "L24", "L26", "L27",
    # What belongs to orders, people, bookings and appeals.
    "A", "B", "D", "K", "P", "R",
)  # fmt: skip


@pytest.fixture
def urls(server: ServerAddress, template: str) -> Iterator[list[str]]:
    """Two clones with the newest schema."""
    names = [f"t_{uuid4().hex[:12]}" for _ in range(2)]
    for name in names:
        say(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield [server.url(name) for name in names]
    for name in names:
        say(server, f"DROP DATABASE {name} WITH (FORCE)")


def say(server: ServerAddress, statement: str) -> None:
    asyncio.run(soak.say(server.url("postgres"), statement))


def test_twenty_thousand_commands_end_as_the_auditor_says(urls: list[str]) -> None:
    began = time.monotonic()

    tally = soak.run(urls, SEED, STEPS)

    print(f"seed {SEED}:")
    soak.report(tally, time.monotonic() - began)
    assert tally.steps >= STEPS
    unseen = [name for name, rows in tally.rows.items() if not rows]
    assert [name for name in unseen if not name.startswith(_ELSEWHERE)] == []


def test_hypothesis_finds_no_way_to_disagree(urls: list[str]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opened = proving(urls[0])
        MoneyMachine.runner, MoneyMachine.proof = runner, runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                MoneyMachine,
                settings=settings(
                    max_examples=25,
                    stateful_step_count=50,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            print(f"{MoneyMachine.proof.steps} steps by Hypothesis")
            assert MoneyMachine.proof.steps >= 300
        finally:
            runner.run(opened.__aexit__(None, None, None))
