"""The processes that orders run on, loaded and checked once, and the names that they may use."""

from functools import cache
from pathlib import Path

from handsel.deals.process.definition import Process, load

GUARDS = frozenset(
    {
        "within_limits",
        "confirmed",
        "revocable",
        "cancelling_is_free",
        "cancelling_costs",
        "may_receive",
        "started",
        "proof_given",
        "reason_given",
        "part_is_left",
    }
)
ACTIONS = frozenset(
    {
        "hold",
        "refund",
        "refund_expired",
        "refund_part",
        "share_by_policy",
        "release",
        "share_halves",
        "settle",
        "forfeit",
    }
)
TERMS = frozenset({"inspection_period", "hold_period"})
CURRENT = ("service", 2)


@cache
def processes() -> dict[tuple[str, int], Process]:
    """Every shipped process by name and version. Raises ``ProcessInvalid``."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.v*.toml")):
        process = load(file, guards=GUARDS, actions=ACTIONS, terms=TERMS)
        found[process.name, process.version] = process
    return found
