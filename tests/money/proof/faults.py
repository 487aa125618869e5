"""Does the proof find faults? Each fault is put into a private clone, or a private copy of the
sources, and the seeded commands run until they disagree.

``python -m tests.money.proof.faults [--steps N] [--seed S] [NAME …]``; not part of CI. One more
fault is one more entry of faults.toml.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import asyncpg
import msgspec

from tests.money.proof.soak import EPOCH_STEPS, clone, say, server

_SOURCES = Path(__file__).parents[3] / "src"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``old`` is replaced by ``new`` in a function (``money.post``) or in a file under src; without
    ``old`` and ``in``, ``new`` is a statement."""

    name: str
    new: str
    where: str = msgspec.field(default="", name="in")
    old: str = ""


def faults() -> list[Fault]:
    """Those of the list."""
    read = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())
    return msgspec.convert(read["fault"], list[Fault])


async def _break_function(url: str, fault: Fault) -> None:
    """Replace the text, which must occur, in every overload of the function."""
    conn = await asyncpg.connect(url)
    sql = "SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.oid::regproc::text = $1"
    found = [row[0] for row in await conn.fetch(sql, fault.where)]
    if not any(fault.old in text for text in found):
        raise LookupError(fault.where)
    for text in found:
        await conn.execute(text.replace(fault.old, fault.new))
    await conn.close()


def _broken_sources(fault: Fault, home: str) -> str:
    """A copy of the sources with the text replaced: what stands first on the path."""
    copy = Path(home) / "src"
    shutil.copytree(_SOURCES, copy)
    file = copy / fault.where
    text = file.read_text()
    if fault.old not in text:
        raise LookupError(fault.where)
    file.write_text(text.replace(fault.old, fault.new))
    return str(copy)


def _plant(url: str, fault: Fault, home: str) -> str:
    """Into the clone or into a copy; the path of the sources to run."""
    if fault.where.endswith(".py"):
        return _broken_sources(fault, home)
    if fault.where:
        asyncio.run(_break_function(url, fault))
    else:
        asyncio.run(say(url, fault.new))
    return str(_SOURCES)


def hunt(url: str, fault: Fault, steps: int, seed: int) -> str:
    """What the proof says of it: after how many steps, and why; or that it survived."""
    with tempfile.TemporaryDirectory(prefix="handsel-fault-") as home:
        path = os.pathsep.join((_plant(url, fault, home), os.environ.get("PYTHONPATH", "")))
        args = ["--url", url, "--steps", str(steps), "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.money.proof.soak", *args],
            env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode == 0:
        return "SURVIVED"
    said = re.search(r"Disagreement: seed \d+ epoch (\d+) step (\d+): (.*)", done.stderr)
    if said is None:
        return f"stopped: {done.stderr.strip().splitlines()[-1][:110]}"
    return f"after {int(said[1]) * EPOCH_STEPS + int(said[2]):>5}  {said[3][:110]}"


def main() -> None:
    """A line a fault; the exit code is the number of survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    survivors = 0
    with server() as template:
        for fault in faults():
            if asked.names and fault.name not in asked.names:
                continue
            try:
                said = hunt(clone(template, "faulty"), fault, asked.steps, asked.seed)
            except LookupError as where:  # the code has moved on: the list must follow
                said = f"NOT PLANTED: no such text in {where}"
            survivors += said.isupper() or said.startswith("NOT")
            print(f"{fault.name:34} {said}", flush=True)
    raise SystemExit(survivors)


if __name__ == "__main__":
    main()
