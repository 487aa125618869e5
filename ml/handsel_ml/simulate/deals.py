"""Who deals with whom, when, for how much, and how it ends. Assumptions: see `population`."""

from __future__ import annotations

import msgspec
import numpy as np

from handsel_ml.facts import Ints
from handsel_ml.simulate.population import (
    ARCHETYPES,
    BURST_DAYS,
    BUYING,
    NEVER_US,
    PROFILES,
    Archetype,
    Bools,
    Floats,
    Population,
)
from handsel_ml.tallies import DAY_US

HOUR_US = DAY_US // 24
BURST_DEALS = 8
HELD, PAY_AFTER, RENTAL = 0, 1, 2
_RENTALS = 0.07
_CHECKS_TO_OWE, _DAYS_TO_OWE = 4, 60
#: By when the least checks are passed, and the most that may be paid: by newcomers and by whoever
#: lacks a checked bank account (tier T1), and in any category.
_CHECKED_DAYS, _NEW_DAYS, _CHECKS_TO_PAY_MORE = 5, 14, 4
_NEWCOMERS_PAY, _LARGEST = 6_000, 30_000


class Deals(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted deals by column, in order of `opened`; amounts in minor units.

    `way`: money held beforehand, paid after the work, or a rental; `inside`: of a clique.
    """

    buyer: Ints
    seller: Ints
    opened: Ints
    amount: Ints
    inside: Bools
    way: Ints

    def __len__(self) -> int:
        """Return the number of deals."""
        return len(self.buyer)


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How each deal ended, one truth per column: it ends in exactly one of the first ten ways.

    `buyer_loses`, `seller_loses`: of the disputed, whose fault it was, all of it or most.
    """

    unfunded: Bools
    cancelled_by_buyer: Bools
    cancelled_by_seller: Bools
    buyer_absent: Bools
    seller_absent: Bools
    not_delivered: Bools
    defaulted: Bools
    unreturned: Bools
    disputed: Bools
    settled: Bools
    pays_late: Bools
    returned_late: Bools
    chargeback: Bools
    buyer_loses: Bools
    seller_loses: Bools
    buyer_reported: Bools
    seller_reported: Bools
    late: Bools


def draw_deals(rng: np.random.Generator, people: Population, per_member: float, end: int) -> Deals:
    """Draw ordinary deals, as many at any time as there are members then, among those who are
    there; then the bursts of those who turn; drop what cannot be."""
    count = int(len(people) * per_member)
    weight, joined = people.activity, people.joined
    here = _pick(rng, (end - joined).astype(np.float64), count)
    opened = joined[here] + (rng.random(count) * (end - joined[here])).astype(np.int64)
    buyer = _pick_present(rng, weight * (1 - people.seller_lean), joined, opened)
    seller = _pick_present(rng, weight * people.seller_lean, joined, opened)
    regulars = rng.integers(0, len(people), (len(people), 2))
    again = rng.random(count) < 0.25
    seller = np.where(again, regulars[buyer, rng.integers(0, 2, count)], seller)
    buyer, seller, inside = _inside_cliques(rng, people, buyer, seller)
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
    checked = people.joined + _CHECKED_DAYS * DAY_US
    keep &= (opened >= checked[buyer]) & (opened >= checked[seller])
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(opened[rows], kind="stable")]
    way = _ways(rng, people, buyer, opened, inside)
    new = is_new(people, buyer, opened)
    size = np.minimum(size, np.where(new, _NEWCOMERS_PAY, _LARGEST))
    return Deals(
        buyer=buyer[rows],
        seller=seller[rows],
        opened=opened[rows],
        amount=np.maximum(size[rows].astype(np.int64), 100),
        inside=inside[rows],
        way=way[rows],
    )


def is_new(people: Population, member: Ints, moment: Ints) -> Bools:
    """Who is at the first tier: for a fortnight, and as long as no bank account is checked."""
    new: Bools = moment < people.joined[member] + _NEW_DAYS * DAY_US
    return new | (people.verified[member] < _CHECKS_TO_PAY_MORE)


def _ways(
    rng: np.random.Generator, people: Population, buyer: Ints, opened: Ints, inside: Bools
) -> Ints:
    """How each deal is paid: afterwards only by those who have checks and some age."""
    kind = people.archetype[buyer]
    owes = np.array([PROFILES[a].pays_after for a in ARCHETYPES])[kind]
    defaulter = kind == ARCHETYPES.index(Archetype.PAY_AFTER_DEFAULTER)
    owes = np.where(defaulter & (opened >= people.turns[buyer]), 1.0, owes)
    may = people.verified[buyer] >= _CHECKS_TO_OWE
    may &= opened >= people.joined[buyer] + _DAYS_TO_OWE * DAY_US
    drawn = rng.random(len(buyer))
    later = ~inside & may & (drawn < owes)
    rental = ~inside & ~later & (rng.random(len(buyer)) < _RENTALS)
    return np.where(later, PAY_AFTER, np.where(rental, RENTAL, HELD)).astype(np.int64)


def _pick(rng: np.random.Generator, weight: Floats, count: int) -> Ints:
    """Draw `count` member indices in proportion to `weight`."""
    edges = np.cumsum(weight)
    drawn = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    picked: Ints = np.minimum(drawn, len(weight) - 1).astype(np.int64)
    return picked


def _pick_present(rng: np.random.Generator, weight: Floats, joined: Ints, when: Ints) -> Ints:
    """Draw one member for each moment, in proportion to `weight`, among those who had joined."""
    order = np.argsort(joined, kind="stable")
    edges = np.append(0.0, np.cumsum(weight[order]))
    reach = edges[np.searchsorted(joined[order], when, side="right")]
    drawn = np.searchsorted(edges[1:], rng.random(len(when)) * reach, side="right")
    picked: Ints = order[np.minimum(drawn, len(order) - 1)].astype(np.int64)
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
    """After the turn: exit scammers and farmers sell, thieves and who will owe buy, of anybody."""
    turning = np.flatnonzero(people.turns < NEVER_US)
    who = np.repeat(turning, rng.poisson(BURST_DEALS, len(turning)))
    other = _pick(rng, people.activity, len(who))
    opened = people.turns[who] + (rng.random(len(who)) * BURST_DAYS * DAY_US).astype(np.int64)
    buys = np.isin(people.archetype[who], [ARCHETYPES.index(kind) for kind in BUYING])
    return np.where(buys, who, other), np.where(buys, other, who), opened


def draw_outcomes(rng: np.random.Generator, people: Population, deals: Deals) -> Outcomes:
    """Draw how each deal ends, stage by stage; inside a clique nothing ever goes wrong."""
    turned_b = deals.opened >= people.turns[deals.buyer]
    turned_s = deals.opened >= people.turns[deals.seller]
    outside = ~deals.inside

    def happens(name: str, buyer: bool) -> Bools:
        who, turned = (deals.buyer, turned_b) if buyer else (deals.seller, turned_s)
        return (rng.random(len(deals)) < people.rate(name, who, turned)) & outside

    owed, lent = deals.way == PAY_AFTER, deals.way == RENTAL
    unfunded = happens("unfunded", True) & ~owed
    alive = ~unfunded
    stages: list[Bools] = []
    for name, buyer in (("cancels", True), ("cancels", False), ("no_show", True),
                        ("no_show", False), ("not_delivered", False), ("defaults", True),
                        ("unreturned", True)):  # fmt: skip
        possible = {"defaults": owed, "unreturned": lent}.get(name, True)
        stage = happens(name, buyer) & alive & possible
        alive = alive & ~stage
        stages.append(stage)
    held = alive & (deals.way == HELD)
    buyer_loses = happens("dispute", True) & held
    seller_loses = happens("dispute", False) & held & ~buyer_loses
    disputed = buyer_loses | seller_loses
    alive = alive & ~disputed
    return Outcomes(
        unfunded=unfunded,
        cancelled_by_buyer=stages[0],
        cancelled_by_seller=stages[1],
        buyer_absent=stages[2],
        seller_absent=stages[3],
        not_delivered=stages[4],
        defaulted=stages[5],
        unreturned=stages[6],
        disputed=disputed,
        settled=alive,
        pays_late=happens("pays_late", True) & alive & owed,
        returned_late=happens("late", True) & alive & lent,
        chargeback=happens("chargeback", True) & alive & ~owed,
        buyer_loses=buyer_loses,
        seller_loses=seller_loses,
        buyer_reported=happens("report", True),
        seller_reported=happens("report", False),
        late=happens("late", False),
    )
