"""The processes that orders run on, loaded and checked once, with what their rooms registered."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from handsel.deals.orders import (
    codes,
    guards,
    money_actions,
    negotiated,
    pay_after,
    pay_here,
    proposals,
    rental,
    series,
    time_credit,
    transfer,
)
from handsel.deals.orders.moves import Action, Batch, Guard, Kit, Write
from handsel.deals.process.definition import Process, load

_SERVICE = Kit(
    Path(__file__).parent,
    {**guards.GUARDS, **proposals.GUARDS, "meeting_code": codes.guard("meeting")},
    {**money_actions.ACTIONS, "amend": proposals.amend},
    money_actions.BATCHES,
    frozenset({"inspection_period", "hold_period", "payment_window"}),
    {**proposals.WRITES, "meeting_code": codes.issuing("meeting", holder="customer")},
    money_actions.STOPPED,
)
#: A room may use what the first one registers; its own names come on top.
KITS: tuple[Kit, ...] = (
    _SERVICE,
    negotiated.KIT,
    series.KIT,
    transfer.KIT,
    pay_here.KIT,
    time_credit.KIT,
    rental.KIT,
    pay_after.KIT,
)
GUARDS: Mapping[str, Guard] = {name: guard for kit in KITS for name, guard in kit.guards.items()}
ACTIONS: Mapping[str, Action] = {name: act for kit in KITS for name, act in kit.actions.items()}
BATCHES: Mapping[str, Batch] = {name: act for kit in KITS for name, act in kit.batches.items()}
WRITES: Mapping[str, Write] = {name: act for kit in KITS for name, act in kit.writes.items()}
STOPPED = frozenset[str]().union(*(kit.stopped for kit in KITS))


@cache
def processes() -> dict[tuple[str, int], Process]:
    """Every shipped process by name and version. Raises ``ProcessInvalid``."""
    found = {}
    terms = frozenset[str]().union(*(kit.terms for kit in KITS))
    for kit in KITS:
        for file in sorted(kit.folder.glob("*.v*.toml")):
            process = load(file, guards=GUARDS, actions=ACTIONS, terms=terms, writes=WRITES)
            found[process.name, process.version] = process
    return found


@cache
def current(name: str) -> Process:
    """The version that new orders of a process are opened under. Raises ``LookupError``."""
    versions = [process for (known, _), process in processes().items() if known == name]
    if not versions:
        raise LookupError(f"there is no process {name}")
    return max(versions, key=lambda process: process.version)
