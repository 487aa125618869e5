"""Who bears a chargeback, out of which account: pure arithmetic."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec

from handsel.foundation.core.money import allocate
from handsel.money.escrow.chargebacks.attribution import Place

Kind = Literal["reserve", "wallet"]
#: Out of which of a member's accounts, in this order.
ORDER: tuple[Kind, ...] = ("reserve", "wallet")
#: (member, kind of account) to what is on it.
Balances = Mapping[tuple[UUID, Kind], int]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``chargebacks.toml``."""

    evidence_lead: timedelta
    write_off_after: timedelta
    fund_bears: list[str]


@cache
def policy() -> Policy:
    """The policy of this release."""
    plain = tomllib.loads(Path(__file__).with_name("chargebacks.toml").read_text())
    return msgspec.convert(plain, Policy)


def fund_bears(facts: Mapping[str, Any] | None) -> bool:
    """Whether the protection fund bears what a seller cannot: the policy's facts all hold."""
    return facts is not None and all(facts.get(name) is True for name in policy().fund_bears)


@dataclass(frozen=True, slots=True)
class Held:
    """A hold that the payment went into: what of it was released, to whom, what of that waits, and
    what the house kept of it, by the kind of its account."""

    id: UUID
    order_id: UUID
    state: str
    payee: UUID | None
    released: int
    pending: int
    kept: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How a part of a released hold is borne: by its seller, and out of what the house kept."""

    seller: int
    house: tuple[tuple[str, int], ...]


def share(part: int, hold: Held) -> Share:
    """A chargeback undoes the sale, so what the house kept of the part is given back and the seller
    bears what came to them, rounded down: the unit that cannot be divided is the house's."""
    kept = [amount for _, amount in hold.kept]
    seller = part * hold.released // (hold.released + sum(kept))
    house = allocate(part - seller, kept) if part > seller else [0] * len(kept)
    kinds = [kind for kind, _ in hold.kept]
    return Share(seller, tuple((k, a) for k, a in zip(kinds, house, strict=True) if a))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the disputed money and where it is; ``hold`` for the place of that name."""

    place: Literal["wallet", "hold", "spent", "untraced"]
    amount: int
    hold: UUID | None = None


def split(
    amount: int, traceable: int, places: Mapping[Place, int], holds: Mapping[UUID, Held]
) -> list[Part]:
    """The parts of a chargeback of ``amount``, of which ``traceable`` can be the top-up's money.

    What hurts least goes first: the payer's own wallet, then what is held, then what waits, then
    what a seller already has; of the same kind the newest. What is nowhere there the payer has
    spent otherwise, and what goes beyond the payment the provider took wrongly.
    """
    left = traceable
    parts: list[Part] = []

    def add(part: Part) -> None:
        nonlocal left
        if part.amount:
            parts.append(part)
            left -= part.amount

    add(Part("wallet", min(places.get(("wallet", None), 0), left)))
    inside = [(hold, part) for (kind, hold), part in places.items() if kind == "hold" and hold]
    for hold, part in sorted(inside, key=lambda p: (_nearness(holds[p[0]]), -p[0].int)):
        add(Part("hold", min(part, left), hold))
    add(Part("spent", left))
    if amount > traceable:
        parts.append(Part("untraced", amount - traceable))
    return parts


def _nearness(hold: Held) -> int:
    return 0 if hold.state == "open" else 1 if hold.pending else 2


@dataclass(frozen=True, slots=True)
class Take:
    """An amount out of one of a member's accounts."""

    member: UUID
    kind: Kind
    amount: int


def take(
    needs: Sequence[tuple[UUID, int]], balances: Balances
) -> tuple[list[Take], dict[UUID, int]]:
    """What each member's accounts give of what each of them has to bear, and what is missing."""
    left = dict(balances)
    takes: list[Take] = []
    missing: dict[UUID, int] = {}
    for member, need in needs:
        for kind in ORDER:
            part = min(left.get((member, kind), 0), need)
            if part > 0:
                takes.append(Take(member, kind, part))
                left[member, kind] -= part
                need -= part
        if need:
            missing[member] = missing.get(member, 0) + need
    return takes, missing
