"""How people behaved in simulated deals, as facts: time kept, answers, disputes, rules, reviews."""

from __future__ import annotations

import numpy as np

from handsel_ml.contract import FULL_WEIGHT_BPS
from handsel_ml.contract import FactKind as K
from handsel_ml.facts import Ints
from handsel_ml.simulate.deals import HOUR_US, RENTAL, Deals, Outcomes
from handsel_ml.simulate.emit import BUYER, SELLER, Timeline, Writer, days
from handsel_ml.simulate.population import Bools, Floats, Population
from handsel_ml.tallies import DAY_US

#: In a review's weight: half a stake's worth, by the author's checks, the rest of a pair.
_HALF_STAKE_MINOR = 2_000
_KNOWN = (0.5, 0.5, 0.75, 0.75, 1.0, 1.0)
_PAIR_REST_US = 30 * DAY_US
_REVIEW_WINDOW_US = 14 * DAY_US


def write_conduct(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Every fact of conduct that a deal leaves with either party."""
    _write_times(rng, out, deals, ends, times)
    _write_requests(rng, out, people, deals)
    _write_answers(rng, out, people, deals)
    _write_rules(rng, out, people, deals, ends)
    _write_disputes(rng, out, deals, ends, times)
    _write_reviews(rng, out, people, deals, ends, times)


def _write_times(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """Deliveries of sellers, and what renters brought back."""
    done = (ends.settled | ends.disputed | ends.defaulted) & (deals.way != RENTAL)
    overdue_s = np.maximum((times.delivered - times.due) // 1_000_000, 1)
    out.both(K.DELIVERED_ON_TIME, deals, done & ~ends.late, times.delivered, (SELLER,), money=False)
    out.both(
        K.DELIVERED_LATE, deals, done & ends.late, times.delivered, (SELLER,), money=False,
        value=overdue_s,
    )  # fmt: skip
    lent = ends.settled & (deals.way == RENTAL)
    late_us = (np.minimum(rng.exponential(16, len(deals)) + 0.5, 70) * HOUR_US).astype(np.int64)
    back, late = lent & ~ends.returned_late, lent & ends.returned_late
    # The lent thing's return is what the deal was closed by.
    out.both(K.ITEM_RETURNED, deals, back, times.closed, (BUYER,), money=False)
    out.both(
        K.ITEM_RETURNED_LATE, deals, late, times.closed, (BUYER,), money=False,
        value=late_us // 1_000_000,
    )  # fmt: skip


def _write_requests(
    rng: np.random.Generator, out: Writer, people: Population, deals: Deals
) -> None:
    """Requests that sellers declined or left alone, counted with the deals they took."""
    turned = deals.opened >= people.turns[deals.seller]
    ignored = rng.random(len(deals)) < people.rate("unanswered", deals.seller, turned)
    declined = rng.random(len(deals)) < 0.08
    before = deals.opened - HOUR_US
    out.both(K.ORDER_EXPIRED_UNANSWERED, deals, ignored, before, (SELLER,), money=False)
    out.both(K.ORDER_DECLINED, deals, declined, before, (SELLER,), money=False)


def _write_answers(rng: np.random.Generator, out: Writer, people: Population, deals: Deals) -> None:
    """One first answer of every seller, and then of half of the buyers; all since both are here."""
    asked = rng.random(len(deals)) < 0.5
    both_here = np.maximum(people.joined[deals.buyer], people.joined[deals.seller])
    most_s = (deals.opened - both_here) // 3_000_000
    before = np.zeros(len(deals), dtype=np.int64)
    for who, other, mask in (
        (deals.buyer, deals.seller, asked),
        (deals.seller, deals.buyer, np.ones(len(deals), dtype=bool)),
    ):
        rows = np.flatnonzero(mask)
        turned = deals.opened >= people.turns[who]
        slow = rng.random(len(deals)) < people.rate("slow", who, turned)
        hours = np.where(slow, rng.uniform(24, 96, len(deals)), rng.exponential(3, len(deals)))
        seconds = np.minimum(np.minimum(hours * 3600, 400_000).astype(np.int64), most_s)
        when = deals.opened[rows] - 1 - before[rows] * 1_000_000
        out.add(K.MESSAGE_ANSWERED, who[rows], when, counterparty=other[rows], value=seconds[rows])
        before = np.where(mask, seconds, 0)


def _write_rules(
    rng: np.random.Generator, out: Writer, people: Population, deals: Deals, ends: Outcomes
) -> None:
    """Upheld reports and removed listings."""
    for who, mask in ((deals.buyer, ends.buyer_reported), (deals.seller, ends.seller_reported)):
        rows = np.flatnonzero(mask)
        when = deals.opened[rows] + days(rng, 1, 20, len(rows))
        out.add(K.REPORT_UPHELD, who[rows], when, order=rows)
    turned = deals.opened >= people.turns[deals.seller]
    removed = rng.random(len(deals)) < people.rate("removed", deals.seller, turned)
    rows = np.flatnonzero(removed)
    out.add(K.LISTING_REMOVED, deals.seller[rows], deals.opened[rows] - 2 * HOUR_US)


def _write_disputes(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """Told when they are resolved, of whoever had all of the fault or most of it."""
    count = len(deals)
    for role, loses in ((BUYER, ends.buyer_loses), (SELLER, ends.seller_loses)):
        whole = rng.random(count) < 0.6
        fault = np.where(whole, FULL_WEIGHT_BPS, rng.integers(5_100, FULL_WEIGHT_BPS, count))
        out.both(
            K.DISPUTE_OPENED_AGAINST, deals, loses, times.ruled, (role,), money=False,
            weight=fault,
        )  # fmt: skip
        out.both(K.DISPUTE_LOST, deals, loses, times.ruled, (role,), money=False, weight=fault)


def _write_reviews(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Six of ten write one within a week; late or disputed costs stars; cliques give five. Both are
    shown when the second is written, one alone when the time to write is over."""
    count = len(deals)
    paid = ends.settled | ends.disputed
    writes = [paid & (rng.random(count) < 0.6) for _ in (BUYER, SELLER)]
    waited = [days(rng, 0, 7, count) for _ in (BUYER, SELLER)]
    both = np.where(writes[0] & writes[1], np.maximum(*waited), _REVIEW_WINDOW_US)
    when = times.closed + both
    slow_payer = ends.pays_late | ends.returned_late
    for role, troubled in (
        (BUYER, ends.buyer_loses | slow_payer),
        (SELLER, ends.seller_loses | ends.late | ends.not_delivered),
    ):
        subject, author = (
            (deals.buyer, deals.seller) if role == BUYER else (deals.seller, deals.buyer)
        )
        stars = 5 - rng.binomial(4, np.where(troubled, 0.45, 0.08))
        stars = np.where(deals.inside, 5, stars).astype(np.int64)
        weight = _weights(people, deals, author, subject, when, waited[role], writes[role])
        out.both(
            K.REVIEW_RECEIVED, deals, writes[role] & (weight > 0), when, (role,), money=False,
            value=stars, weight=weight,
        )  # fmt: skip


def _weights(
    people: Population,
    deals: Deals,
    author: Ints,
    subject: Ints,
    when: Ints,
    waited: Ints,
    writes: Bools,
) -> Ints:
    """The house's weight of a review in ten-thousandths (`deals.reviews.weights`), by deal.

    Here one review of a pair within thirty days of the one before it counts nothing.
    """
    rows = np.flatnonzero(writes)
    pair = author[rows] * len(people) + subject[rows]
    order = np.lexsort((when[rows], pair))
    same = np.zeros(len(order), dtype=bool)
    same[1:] = pair[order][1:] == pair[order][:-1]
    place = np.arange(len(order))
    earlier = place - np.maximum.accumulate(np.where(same, 0, place))
    gap = np.diff(when[rows][order], prepend=0)
    novelty = np.where(same & (gap < _PAIR_REST_US), 0.0, 1.0 / (earlier + 1))
    rows = rows[order]
    stake = deals.amount[rows] / (deals.amount[rows] + _HALF_STAKE_MINOR)
    fresh = 1.0 - 0.5 * np.minimum(waited[rows] / _REVIEW_WINDOW_US, 1.0)
    known: Floats = np.array(_KNOWN)[people.verified[author[rows]]]
    weight = np.zeros(len(deals), dtype=np.int64)
    weight[rows] = (FULL_WEIGHT_BPS * stake * novelty * fresh * known).astype(np.int64)
    return weight
