"""A seeded town of members, deals and facts, with the labels a platform would learn late.

`simulate_town` gives training its facts and labels; `history` gives a demo or a test the facts
of one member of a chosen type. Everything follows from the seed. The assumptions are written
in `population`; no result made here is a result about people.

Labels are per accepted deal and party (research/credit.md §4.2): financial bad is a lost
chargeback, an order never funded, not delivered or not paid afterwards, a lent thing that never
came back; social bad is a lost dispute, a cancellation after acceptance, a no-show, an upheld
report. Parties for whom a deal says nothing (the other one cancelled, stayed away or never paid)
are indeterminate (-1): counted, never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import numpy as np

from handsel_ml.contract import EPOCH, Fact, micros
from handsel_ml.facts import FactTable, Ints, facts_of
from handsel_ml.judged import Grouping
from handsel_ml.labels import Exposures
from handsel_ml.simulate.conduct import write_conduct
from handsel_ml.simulate.deals import (
    BURST_DEALS,
    Deals,
    Outcomes,
    draw_deals,
    draw_outcomes,
    finish_deals,
)
from handsel_ml.simulate.emit import Timeline, Writer, draw_timeline, write_members, write_money
from handsel_ml.simulate.population import (
    ARCHETYPES,
    BUYING,
    LEAST_CHECKS,
    NEVER_US,
    PROFILES,
    Archetype,
    Bools,
    Population,
    draw_population,
    draw_protected,
    market_of,
)
from handsel_ml.tallies import DAY_US

__all__ = [
    "Archetype",
    "Town",
    "TownPlan",
    "history",
    "moment",
    "simulate_town",
]


class TownPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How big, how long, from which seed. `end` is the moment at which the town is observed."""

    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    members: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)]
    deals_per_member: Annotated[float, msgspec.Meta(gt=0, le=1_000)]
    start: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    end: datetime = datetime(2026, 7, 1, tzinfo=UTC)


class Town(msgspec.Struct, frozen=True, kw_only=True):
    """Facts, exposures with labels, and what is known of every member for evaluation alone: the
    hidden type, `segments` (the market) and `protected` attributes, each of shape (members,)."""

    plan: TownPlan
    table: FactTable
    exposures: Exposures
    archetype: Ints
    segments: dict[str, Grouping]
    protected: dict[str, Grouping]

    def of_type(self, *types: Archetype) -> Bools:
        """Which members are of these types; shape (members,)."""
        return np.isin(self.archetype, [ARCHETYPES.index(kind) for kind in types])


def simulate_town(plan: TownPlan) -> Town:
    """Draw a town from its plan: about 13 facts per deal, both parties together."""
    rng = np.random.Generator(np.random.PCG64(plan.seed))
    start, end = micros(plan.start), micros(plan.end)
    people = draw_population(rng, plan.members, start, end)
    deals = draw_deals(rng, people, plan.deals_per_member, end)
    names = tuple(f"sim-{i}" for i in range(plan.members))
    table, ends, times = _play(rng, people, deals, names, end)
    exposures = _exposures(deals, ends, times)
    return Town(
        plan=plan,
        table=table,
        exposures=exposures,
        archetype=people.archetype,
        segments={"market": market_of(people)},
        protected=draw_protected(plan.seed, people),
    )


def _play(
    rng: np.random.Generator, people: Population, deals: Deals, names: tuple[str, ...], end: int
) -> tuple[FactTable, Outcomes, Timeline]:
    """Play deals to their end and write down every fact known before `end`."""
    ends = draw_outcomes(rng, people, deals)
    times = draw_timeline(rng, people, deals, ends)
    out = Writer()
    write_members(rng, out, people)
    write_money(rng, out, people, deals, ends, times)
    write_conduct(rng, out, people, deals, ends, times)
    return out.table(names, end), ends, times


def _exposures(deals: Deals, ends: Outcomes, times: Timeline) -> Exposures:
    """Label both parties of every deal."""
    cancelled = ends.cancelled_by_buyer | ends.cancelled_by_seller
    broken = cancelled | ends.buyer_absent | ends.seller_absent
    unpaid = ends.unfunded | ends.chargeback | ends.defaulted | ends.unreturned
    fin_b = np.where(broken | ends.disputed, -1, unpaid)
    unheard = broken | ends.disputed | ends.unfunded | ends.unreturned
    fin_s = np.where(unheard, -1, ends.not_delivered)
    bad_b = ends.cancelled_by_buyer | ends.buyer_absent | ends.buyer_loses | ends.buyer_reported
    bad_s = ends.cancelled_by_seller | ends.seller_absent | ends.seller_loses
    bad_s = bad_s | ends.seller_reported
    spared = broken | ends.unfunded | ends.disputed
    soc_b = np.where(bad_b, 1, np.where(spared | ends.not_delivered, -1, 0))
    soc_s = np.where(bad_s, 1, np.where(spared | ends.unreturned, -1, 0))
    return Exposures(
        member=np.concatenate([deals.buyer, deals.seller]),
        role=np.repeat(np.array([0, 1], dtype=np.int64), len(deals)),
        opened=np.concatenate([deals.opened, deals.opened]),
        due=np.concatenate([times.due, times.due]),
        labels={
            "financial": np.concatenate([fin_b, fin_s]).astype(np.int64),
            "social": np.concatenate([soc_b, soc_s]).astype(np.int64),
        },
    )


def history(
    archetype: Archetype,
    *,
    member_id: str,
    partners: Sequence[str],
    deals: int,
    until: datetime,
    seed: int,
    turned: bool = False,
) -> list[Fact]:
    """Facts of one member of a type with about `deals` deals, all known before `until`.

    For sandbox members: `partners` are the ids the deals are with, in turn. `turned` puts the
    burst of a type that turns into the last month; otherwise the turn lies ahead. Sorted by
    known_at; source and order ids are unique per (member_id, seed).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    end = micros(until)
    burst = BURST_DEALS if turned and PROFILES[archetype].after else 0
    span_days = max(90, 12 * deals) + 60
    people = _one_of(rng, archetype, len(partners), end - span_days * DAY_US)
    if burst:
        people.turns[0] = end - 30 * DAY_US
    count = deals + burst
    opened = end - (rng.uniform(45, span_days - 1, count) * DAY_US).astype(np.int64)
    opened[deals:] = end - (rng.uniform(1, 30, burst) * DAY_US).astype(np.int64)
    other = 1 + np.arange(count) % len(partners)
    sells = rng.random(count) < (0.0 if archetype in BUYING else 0.6)
    me = np.zeros(count, dtype=np.int64)
    drawn = finish_deals(
        rng, people, np.where(sells, other, me), np.where(sells, me, other), opened,
        np.zeros(count, dtype=bool), end,
    )  # fmt: skip
    table, _, _ = _play(rng, people, drawn, (member_id, *partners), end)
    mine = facts_of(table.take(table.member == 0))
    prefix = f"{member_id}:{seed}:"
    return [
        msgspec.structs.replace(
            fact,
            source_id=prefix + fact.source_id,
            order_id=None if fact.order_id is None else prefix + fact.order_id,
        )
        for fact in mine
    ]


def _one_of(
    rng: np.random.Generator, archetype: Archetype, partners: int, joined: int
) -> Population:
    """One member of a type and honest partners, all joined at the same moment."""
    kind = np.zeros(partners + 1, dtype=np.int64)
    kind[0] = ARCHETYPES.index(archetype)
    return Population(
        archetype=kind,
        joined=np.full(partners + 1, joined, dtype=np.int64),
        turns=np.full(partners + 1, NEVER_US, dtype=np.int64),
        clique=np.full(partners + 1, -1, dtype=np.int64),
        activity=np.ones(partners + 1),
        seller_lean=np.full(partners + 1, 0.5),
        money=np.zeros(partners + 1),
        conduct=np.zeros(partners + 1),
        verified=LEAST_CHECKS
        + rng.binomial(5 - LEAST_CHECKS, PROFILES[archetype].verified, partners + 1),
        market=np.zeros(partners + 1, dtype=np.int64),
    )


def moment(us: int) -> datetime:
    """Microseconds since 1970 back to a moment in UTC."""
    return EPOCH + timedelta(microseconds=us)
