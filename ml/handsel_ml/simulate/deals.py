"""Who deals with whom, when, for how much, and how it ends. Assumptions: see `population`."""

from __future__ import annotations

import msgspec
import numpy as np

from handsel_ml.facts import Ints
from handsel_ml.simulate.population import (
    ARCHETYPES,
    BURST_DAYS,
    NEVER_US,
    PROFILES,
    Bools,
    Floats,
    Population,
)
from handsel_ml.tallies import DAY_US

HOUR_US = DAY_US // 24
BURST_DEALS = 8


class Deals(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted deals by column, in order of `opened`; amounts in minor units."""

    buyer: Ints
    seller: Ints
    opened: Ints
    amount: Ints
    inside: Bools

    def __len__(self) -> int:
        """Return the number of deals."""
        return len(self.buyer)


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How each deal ended, one truth per column; at most one of the first five is true."""

    unfunded: Bools
    cancelled_by_buyer: Bools
    cancelled_by_seller: Bools
    buyer_absent: Bools
    seller_absent: Bools
    not_delivered: Bools
    settled: Bools
    chargeback: Bools
    buyer_loses: Bools
    seller_loses: Bools
    buyer_reported: Bools
    seller_reported: Bools
    late: Bools


def draw_deals(rng: np.random.Generator, people: Population, per_member: float, end: int) -> Deals:
    """Draw ordinary deals, then the bursts of those who turn; drop what cannot be."""
    count = int(len(people) * per_member)
    weight = people.activity
    buyer = _pick(rng, weight * (1 - people.seller_lean), count)
    seller = _pick(rng, weight * people.seller_lean, count)
    regulars = rng.integers(0, len(people), (len(people), 2))
    again = rng.random(count) < 0.25
    seller = np.where(again, regulars[buyer, rng.integers(0, 2, count)], seller)
    buyer, seller, inside = _inside_cliques(rng, people, buyer, seller)
    since = np.maximum(people.joined[buyer], people.joined[seller])
    opened = since + (rng.random(count) * (end - since)).astype(np.int64)
    burst_buyer, burst_seller, burst_opened = _bursts(rng, people)
    outside = np.zeros(len(burst_buyer), dtype=bool)
    return finish_deals(
        rng,
        people,
        np.concatenate([buyer, burst_buyer]),
        np.concatenate([seller, burst_seller]),
        np.concatenate([opened, burst_opened]),
        np.concatenate([inside, outside]),
        end,
    )


def finish_deals(
    rng: np.random.Generator,
    people: Population,
    buyer: Ints,
    seller: Ints,
    opened: Ints,
    inside: Bools,
    end: int,
) -> Deals:
    """Give deals their amounts, keep the possible ones and put them in order of time."""
    turned = (opened >= people.turns[buyer]) | (opened >= people.turns[seller])
    size = rng.lognormal(np.log(6000), 0.8, len(buyer))
    size = size * np.where(inside, 0.4, 1.0) * np.where(turned, 2.5, 1.0)
    gone = np.minimum(people.turns, NEVER_US // 2) + BURST_DAYS * DAY_US
    keep = (buyer != seller) & (opened < end)
    keep &= (opened < gone[buyer]) & (opened < gone[seller])
    keep &= (opened >= people.joined[buyer]) & (opened >= people.joined[seller])
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(opened[rows], kind="stable")]
    return Deals(
        buyer=buyer[rows],
        seller=seller[rows],
        opened=opened[rows],
        amount=np.maximum(size[rows].astype(np.int64), 100),
        inside=inside[rows],
    )


def _pick(rng: np.random.Generator, weight: Floats, count: int) -> Ints:
    """Draw `count` member indices in proportion to `weight`."""
    edges = np.cumsum(weight)
    drawn = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    picked: Ints = np.minimum(drawn, len(weight) - 1).astype(np.int64)
    return picked


def _inside_cliques(
    rng: np.random.Generator, people: Population, buyer: Ints, seller: Ints
) -> tuple[Ints, Ints, Bools]:
    """Members of cliques send most of their deals to a mate."""
    order = np.argsort(people.clique, kind="stable")
    starts = np.searchsorted(people.clique[order], people.clique)
    sizes = np.searchsorted(people.clique[order], people.clique, side="right") - starts
    chance = np.array([PROFILES[a].inside for a in ARCHETYPES])[people.archetype]
    inside = np.zeros(len(buyer), dtype=bool)
    for here in (buyer, seller):
        stays = (rng.random(len(here)) < chance[here]) & ~inside
        mate = order[starts[here] + (rng.random(len(here)) * sizes[here]).astype(np.int64)]
        if here is buyer:
            seller = np.where(stays, mate, seller)
        else:
            buyer = np.where(stays, mate, buyer)
        inside |= stays
    return buyer, seller, inside


def _bursts(rng: np.random.Generator, people: Population) -> tuple[Ints, Ints, Ints]:
    """After the turn: exit scammers and farmers sell, thieves buy, to and from anybody."""
    turning = np.flatnonzero(people.turns < NEVER_US)
    who = np.repeat(turning, rng.poisson(BURST_DEALS, len(turning)))
    other = _pick(rng, people.activity, len(who))
    opened = people.turns[who] + (rng.random(len(who)) * BURST_DAYS * DAY_US).astype(np.int64)
    names = [a.value for a in ARCHETYPES]
    thief = people.archetype[who] == names.index("stolen_account")
    return np.where(thief, who, other), np.where(thief, other, who), opened


def draw_outcomes(rng: np.random.Generator, people: Population, deals: Deals) -> Outcomes:
    """Draw how each deal ends, stage by stage; inside a clique nothing ever goes wrong."""
    turned_b = deals.opened >= people.turns[deals.buyer]
    turned_s = deals.opened >= people.turns[deals.seller]
    outside = ~deals.inside

    def happens(name: str, buyer: bool) -> Bools:
        who, turned = (deals.buyer, turned_b) if buyer else (deals.seller, turned_s)
        return (rng.random(len(deals)) < people.rate(name, who, turned)) & outside

    unfunded = happens("unfunded", True)
    alive = ~unfunded
    stages: list[Bools] = []
    for name, buyer in (("cancels", True), ("cancels", False), ("no_show", True),
                        ("no_show", False), ("not_delivered", False)):  # fmt: skip
        stage = happens(name, buyer) & alive
        alive = alive & ~stage
        stages.append(stage)
    return Outcomes(
        unfunded=unfunded,
        cancelled_by_buyer=stages[0],
        cancelled_by_seller=stages[1],
        buyer_absent=stages[2],
        seller_absent=stages[3],
        not_delivered=stages[4],
        settled=alive,
        chargeback=happens("chargeback", True) & alive,
        buyer_loses=happens("dispute", True) & alive,
        seller_loses=happens("dispute", False) & (alive | stages[4]),
        buyer_reported=happens("report", True),
        seller_reported=happens("report", False),
        late=happens("late", False),
    )
