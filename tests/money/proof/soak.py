"""A million commands: ``make soak`` (STEPS, SEED), or ``python -m tests.money.proof.soak``.

Two processes, each with a database of its own. An epoch has a seed of its own, made of the seed and
its number, so a failure is played again alone: ``--seed 7 --epoch 42`` (what races may fall
differently).
"""

import argparse
import asyncio
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import asyncpg
import msgspec
import uvloop

from handsel.foundation.db import embedded
from handsel.migrations.run import migrate
from tests.money.proof.driver import Disagreement, Proof, proving

EPOCH_STEPS = 400
_PROCESSES = 2
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Tally(msgspec.Struct):
    """Commands sent, what they were answered, and how many rows each check has looked at."""

    steps: int = 0
    told: dict[str, int] = {}
    rows: dict[str, int] = {}

    def add(self, other: "Tally") -> None:
        """Of another process."""
        self.steps += other.steps
        self.told = dict(Counter(self.told) + Counter(other.told))
        self.rows = {k: self.rows.get(k, 0) + n for k, n in other.rows.items()}


async def epoch(proof: Proof, seed: int, number: int, steps: int = EPOCH_STEPS) -> None:
    """So many steps from a clean table, then everything compared."""
    until = proof.steps + steps
    await proof.begin(Random(f"{seed}:{number}"), f"seed {seed} epoch {number}")
    while proof.steps < until:
        await proof.step()
    await proof.compare_all()


async def soak(url: str, seed: int, steps: int, first: int = 0, stride: int = 1) -> Tally:
    """Every ``stride``-th epoch from ``first`` on, until the steps are done."""
    began = said = time.monotonic()
    async with proving(url) as proof:
        number = first
        while proof.steps < steps:
            await epoch(proof, seed, number)
            number += stride
            now = time.monotonic()
            if now - said >= 10:
                said, pace = now, proof.steps / (now - began)
                print(f"{proof.steps:>9} steps, {pace:.0f}/s, epoch {number}", file=sys.stderr)
    return Tally(proof.steps, dict(proof.told), dict(proof.rows))


def run(urls: Sequence[str], seed: int, steps: int) -> Tally:
    """The same from a process for each of the databases, which are used up."""
    args = [sys.executable, "-m", "tests.money.proof.soak", "--seed", str(seed)]
    args += ["--steps", str(steps // len(urls)), "--stride", str(len(urls))]
    processes = [
        subprocess.Popen([*args, "--url", url, "--epoch", str(n)], stdout=subprocess.PIPE)
        for n, url in enumerate(urls)
    ]
    tally = Tally()
    try:
        for process in processes:
            out, _ = process.communicate()
            if process.returncode:
                raise Disagreement(f"seed {seed}: see above")
            tally.add(msgspec.json.decode(out, type=Tally))
    finally:
        for process in processes:
            process.kill()  # the others, after a failure
            process.wait()
    return tally


@contextmanager
def server() -> Iterator[str]:
    """The URL of a migrated database of one's own, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="handsel-soak-"))
    address = embedded.start(home, lifetime="tied", settings=_FAST)
    try:
        asyncio.run(say(address.url("postgres"), "CREATE DATABASE proof"))
        migrate(address.url("proof"))
        yield address.url("proof")
    finally:
        embedded.reset(home)
        shutil.rmtree(home, ignore_errors=True)


def clone(template: str, name: str) -> str:
    """The URL of another database like the one of ``server``."""
    admin = template.replace("/proof?", "/postgres?")
    asyncio.run(say(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    asyncio.run(say(admin, f"CREATE DATABASE {name} TEMPLATE proof"))
    return template.replace("/proof?", f"/{name}?")


async def say(url: str, statement: str) -> None:
    """One statement, as the superuser."""
    conn = await asyncpg.connect(url)
    await conn.execute(statement)
    await conn.close()


def report(tally: Tally, seconds: float) -> None:
    """Like ``handsel check``, over all epochs."""
    print(f"{tally.steps} steps, {tally.steps / seconds:.0f}/s, no disagreement, 0 violations")
    for answer, many in Counter(tally.told).most_common():
        print(f"  {many:>10} {answer}")
    for name, rows in sorted(tally.rows.items()):
        print(f"  ok {rows:>10} rows  {name}" if rows else f"  -  {'':>10}       {name}")


def main() -> None:
    """Parse, say the seed, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--epoch", type=int, help="only this one; with --url, the first one")
    parser.add_argument("--stride", type=int, default=1, help="from one epoch to the next")
    parser.add_argument("--url", help="a migrated database, used up: print a tally and be silent")
    asked = parser.parse_args()
    if asked.url:
        done = uvloop.run(soak(asked.url, asked.seed, asked.steps, asked.epoch or 0, asked.stride))
        sys.stdout.buffer.write(msgspec.json.encode(done))
        return
    print(f"seed {asked.seed}", flush=True)
    with server() as url:
        began = time.monotonic()
        if asked.epoch is not None:
            tally = uvloop.run(soak(url, asked.seed, EPOCH_STEPS, asked.epoch))
        else:
            urls = [clone(url, f"proof{n}") for n in range(_PROCESSES)]
            tally = run(urls, asked.seed, asked.steps)
        report(tally, time.monotonic() - began)


if __name__ == "__main__":
    main()
