"""ARCHITECTURE.md draws the tree that is there, and import-linter knows every wing of it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "handsel"
PLAN = (ROOT / "ARCHITECTURE.md").read_text()


def packages() -> set[str]:
    """Wings and rooms that hold code: ``deals``, ``deals/orders``."""
    found = {file.parent.relative_to(HOUSE) for file in HOUSE.rglob("*.py")}
    return {str(path) for path in found if 1 <= len(path.parts) <= 2}


def drawn() -> set[str]:
    """The rooms in the plan's tree: a line's first words, up to two spaces, below their wing."""
    block = PLAN.split("src/handsel/\n")[1].split("\nml/")[0]
    wing, names = "", set()
    for line in block.splitlines():
        head = re.match(r"  ([a-z]+)/ +(.*)", line)
        wing, body = head.groups() if head else (wing, line.strip())
        rooms = re.match(r"((?:[a-z]+ )*[a-z]+)(?:  |$)", body) or re.match(r"([a-z]+) ", body)
        names |= {wing} | {f"{wing}/{room}" for room in (rooms.group(1).split() if rooms else ())}
    return names


def test_the_plan_names_every_package() -> None:
    unnamed = {path for path in packages() - drawn() if not path.startswith("migrations/")}

    assert unnamed == set()


def test_a_package_that_the_plan_lacks_would_be_noticed() -> None:
    assert "deals/orders" in drawn()
    assert "foundation/outbox" in drawn()
    assert "deals/lotteries" not in drawn()


def test_the_contracts_know_every_wing() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    wings = next(c for c in contracts["contracts"] if c["id"] == "wings")
    named = {layer.strip("() ") for layer in wings["layers"]}

    assert {f"handsel.{path}" for path in packages() if "/" not in path} <= named


def test_the_contracts_know_every_room() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    named: set[str] = set()
    for contract in contracts["contracts"]:
        for container in contract.get("containers", ()):
            layers = " | ".join(contract["layers"]).replace("(", "").replace(")", "")
            named |= {f"{container}.{room.strip()}" for room in layers.split("|")}
    rooms = {f"handsel.{path.replace('/', '.')}" for path in packages() if "/" in path}
    free = ("handsel.front.", "handsel.migrations.")  # one package each; nothing between them

    assert {room for room in rooms if not room.startswith(free)} <= named
