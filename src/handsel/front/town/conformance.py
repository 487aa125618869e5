"""Whether the house, having lived a drawn town, knows the same facts as the simulator wrote."""

from collections import Counter, defaultdict
from typing import Any

import msgspec

from handsel.foundation.db.uow import Database
from handsel.front.town.acting import Played
from handsel.front.town.script import NO_ACT
from handsel_ml.contract import ROLES, Fact
from handsel_ml.contract import FactKind as K
from handsel_ml.facts import KINDS, FactTable, table_of
from handsel_ml.simulate import Town

#: The same day; and seconds that the house itself takes.
_DAY_H, _NEAR_S = 24.0, 5


#: Facts whose value is a time in seconds: compared as a time, within what a transaction takes.
_TIMED = frozenset({K.DELIVERED_LATE, K.MESSAGE_ANSWERED, K.PAY_AFTER_LATE})
_HOUR_US = 3_600_000_000


class Line(msgspec.Struct, frozen=True, order=True):
    """A fact as both can tell it: members and deals by their number, no time and no weight."""

    kind: str
    member: int
    role: str
    counterparty: int
    deal: int
    amount: int
    value: int


class Seen(msgspec.Struct, frozen=True, order=True):
    """The rest of it: known when (microseconds), how many seconds, how much it weighs."""

    known: int
    seconds: int
    weight: int


class Apart(msgspec.Struct):
    """Of one kind, how far the two are from each other at most."""

    hours: float = 0.0
    seconds: int = 0
    weight_bps: int = 0


class Conformance(msgspec.Struct, frozen=True, kw_only=True):
    """``agreed``: facts that both tell, by kind; ``only_…``: those that only one does, by kind;
    ``apart``: how far apart the agreed ones are at most. Left out of both: ``refused`` deals, that
    the house stopped, by the problem's code, and ``unplayed`` ones, by why."""

    agreed: dict[str, int]
    only_simulator: dict[str, int]
    only_house: dict[str, int]
    apart: dict[str, Apart]
    refused: dict[str, int]
    unplayed: dict[str, int]
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """The same facts on the same day, whatever was refused."""
        near = all(
            apart.hours <= _DAY_H and apart.seconds <= _NEAR_S for apart in self.apart.values()
        )
        return not self.only_simulator and not self.only_house and near


async def house_facts(database: Database, played: Played) -> list[Fact]:
    """What the house knows, on the plan's clock, with the members and deals of the plan: members
    are called as in the town, orders by the number of their deal."""
    names = {who.member_id: f"sim-{number}" for number, who in played.people.items()}
    async with database.reading() as conn:
        rows = await conn.fetch("SELECT * FROM people.facts ORDER BY known_at, id")
    return [_fact(row, names, played) for row in rows if row["member_id"] in names]


def _fact(row: Any, names: dict[Any, str], played: Played) -> Fact:
    deal = played.orders.get(row["order_id"])
    return Fact(
        member_id=names[row["member_id"]],
        kind=K(row["kind"]),
        happened_at=row["happened_at"] - played.shift,
        known_at=row["known_at"] - played.shift,
        source_id=row["source_id"],
        order_id=None if deal is None else f"order-{deal}",
        counterparty_id=names.get(row["counterparty_id"]),
        role=row["role"],
        amount_minor=row["amount_minor"],
        value=row["value"],
        weight_bps=row["weight_bps"],
    )


def compare(town: Town, facts: list[Fact], played: Played) -> Conformance:
    """Fact by fact, each as often as it was told."""
    left_out = {refusal.deal for refusal in played.refused} | set(played.unplayed)
    drawn = _lines(town.table, town.table.order.tolist(), left_out)
    told = _lines(table_of(facts), [_deal(fact) for fact in facts], left_out)
    for member, amounts in played.stage.items():
        for amount in amounts:
            told[Line(K.TOP_UP_SUCCEEDED.value, member, "", -1, -1, amount, -1)].pop()
    agreed: Counter[str] = Counter()
    only: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    apart: dict[str, Apart] = {}
    examples = []
    for line in sorted(drawn.keys() | told.keys()):
        ours, theirs = sorted(drawn.get(line, [])), sorted(told.get(line, []))
        agreed[line.kind] += min(len(ours), len(theirs))
        for one, other in zip(ours, theirs, strict=False):
            _widen(apart.setdefault(line.kind, Apart()), one, other)
        for side, more in enumerate((len(ours) - len(theirs), len(theirs) - len(ours))):
            if more > 0:
                only[side][line.kind] += more
                examples.append(f"{('simulator', 'house')[side]} alone: {line}")
    return Conformance(
        agreed=dict(sorted(agreed.items())),
        only_simulator=dict(sorted(only[0].items())),
        only_house=dict(sorted(only[1].items())),
        apart=dict(sorted(apart.items())),
        refused=played.refusals(),
        unplayed=dict(Counter(played.unplayed.values())),
        examples=tuple(examples),
    )


def _widen(apart: Apart, one: Seen, other: Seen) -> None:
    apart.hours = max(apart.hours, round(abs(one.known - other.known) / _HOUR_US, 2))
    apart.seconds = max(apart.seconds, abs(one.seconds - other.seconds))
    apart.weight_bps = max(apart.weight_bps, abs(one.weight - other.weight))


def _deal(fact: Fact) -> int:
    return -1 if fact.order_id is None else int(fact.order_id.removeprefix("order-"))


def _lines(table: FactTable, deals: list[int], left_out: set[int | None]) -> dict[Line, list[Seen]]:
    """Facts by what they say; without those that the house has no act for."""
    number = [int(name.removeprefix("sim-")) for name in table.names]
    columns = (table.kind, table.member, table.role, table.counterparty, table.amount, table.value)
    rows = zip(
        *(column.tolist() for column in (*columns, table.known, table.weight)), deals, strict=True
    )
    found: dict[Line, list[Seen]] = defaultdict(list)
    for code, member, role, other, amount, value, known, weight, deal in rows:
        kind = KINDS[code]
        if deal in left_out or kind in NO_ACT:
            continue
        timed = kind in _TIMED
        line = Line(
            kind.value,
            number[member],
            "" if role < 0 else ROLES[role],
            -1 if other < 0 else number[other],
            deal,
            amount,
            -1 if timed else value,
        )
        found[line].append(Seen(known, value if timed else 0, weight))
    return found
