"""Turn simulated deals into facts, each with the time it happened and the time it was known."""

from __future__ import annotations

import msgspec
import numpy as np

from handsel_ml.contract import FactKind as K
from handsel_ml.facts import COLUMNS, KIND_CODE, FactTable, Ints
from handsel_ml.simulate.deals import HOUR_US, Deals, Outcomes
from handsel_ml.simulate.population import Bools, Population
from handsel_ml.tallies import DAY_US

BUYER, SELLER = 0, 1


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of each deal in microseconds."""

    funded: Ints
    due: Ints
    delivered: Ints
    closed: Ints


def draw_timeline(rng: np.random.Generator, deals: Deals, outcomes: Outcomes) -> Timeline:
    """Funded within a day, due within a fortnight, late by hours to days, closed in three days."""
    count = len(deals)
    due = deals.opened + (rng.uniform(1, 14, count) * DAY_US).astype(np.int64)
    late = np.minimum(rng.exponential(20, count) + 0.5, 110) * HOUR_US
    early = rng.uniform(0, 6, count) * HOUR_US
    delivered = due + np.where(outcomes.late, late, -early).astype(np.int64)
    return Timeline(
        funded=deals.opened + (rng.uniform(0, 1, count) * 12 * HOUR_US).astype(np.int64),
        due=due,
        delivered=delivered,
        closed=delivered + (rng.uniform(0, 3, count) * DAY_US).astype(np.int64),
    )


class Writer:
    """Collects blocks of facts and joins them into one table."""

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: list[dict[str, Ints]] = []

    def add(self, kind: K, member: Ints, happened: Ints, **columns: Ints | int) -> None:
        """Add one fact per member; `known` defaults to `happened`, other columns to none."""
        block: dict[str, Ints] = {"member": member, "happened": happened}
        for name in COLUMNS:
            default = {"known": happened, "amount": 0, "kind": KIND_CODE[kind]}.get(name, -1)
            if name not in block:
                value = columns.get(name, default)
                block[name] = np.broadcast_to(np.asarray(value, dtype=np.int64), member.shape)
        self._blocks.append(block)

    def table(self, names: tuple[str, ...], end: int) -> FactTable:
        """All facts known before `end`, numbered in order of the time they were known."""
        joined = {name: np.concatenate([b[name] for b in self._blocks]) for name in COLUMNS}
        rows = np.flatnonzero(joined["known"] < end)
        rows = rows[np.argsort(joined["known"][rows], kind="stable")]
        columns = {name: np.ascontiguousarray(joined[name][rows]) for name in COLUMNS}
        columns["source"] = np.arange(len(rows), dtype=np.int64)
        return FactTable(names=names, **columns)


def _days(rng: np.random.Generator, low: float, high: float, count: int) -> Ints:
    return (rng.uniform(low, high, count) * DAY_US).astype(np.int64)


def write_members(rng: np.random.Generator, out: Writer, people: Population) -> None:
    """Joining and the steps of the verification ladder, a few days apart."""
    everyone = np.arange(len(people))
    out.add(K.MEMBER_JOINED, everyone, people.joined)
    for step in range(1, 6):
        rows = everyone[people.verified >= step]
        when = people.joined[rows] + (step - 1) * 3 * DAY_US + _days(rng, 0, 2, len(rows))
        out.add(K.VERIFICATION_PASSED, rows, when, value=step)


def write_deals(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Every fact that a deal leaves with either party."""
    _write_money(rng, out, people, deals, ends, times)
    _write_endings(rng, out, deals, ends, times)
    _write_chargebacks(rng, out, deals, ends, times)
    _write_conduct(rng, out, people, deals, ends, times)
    _write_reviews(rng, out, deals, ends, times)


def _both(
    out: Writer, kind: K, deals: Deals, mask: Bools, when: Ints, roles: tuple[int, ...] = (0, 1)
) -> None:
    """The same fact for the parties of the masked deals."""
    rows = np.flatnonzero(mask)
    sides = (deals.buyer, deals.seller)
    money = kind not in (K.AUTO_APPROVED, K.DISPUTE_LOST, K.DISPUTE_OPENED_AGAINST)
    for role in roles:
        out.add(
            kind,
            sides[role][rows],
            when[rows],
            order=rows,
            counterparty=sides[1 - role][rows],
            role=role,
            amount=deals.amount[rows] if money else 0,
        )


def _write_money(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Top-ups (half of the deals need one), funding, or no funding within 72 hours."""
    count = len(deals)
    turned = deals.opened >= people.turns[deals.buyer]
    fails = rng.random(count) < people.rate("top_up_fails", deals.buyer, turned)
    needs = rng.random(count) < 0.5
    for kind, mask in ((K.TOP_UP_FAILED, fails), (K.TOP_UP_SUCCEEDED, needs & ~ends.unfunded)):
        rows = np.flatnonzero(mask)
        out.add(kind, deals.buyer[rows], times.funded[rows] - 1, amount=deals.amount[rows])
    _both(out, K.ORDER_FUNDED, deals, ~ends.unfunded, times.funded)
    _both(out, K.ORDER_UNFUNDED, deals, ends.unfunded, deals.opened + 3 * DAY_US, (BUYER,))


def _write_endings(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """Cancelled, absent, refunded or settled; a tenth of the settled by the timer."""
    early = times.funded + ((times.due - times.funded) * rng.random(len(deals))).astype(np.int64)
    for role, mask in ((BUYER, ends.cancelled_by_buyer), (SELLER, ends.cancelled_by_seller)):
        _both(out, K.ORDER_CANCELLED_BY_SELF, deals, mask, early, (role,))
        _both(out, K.ORDER_CANCELLED_BY_OTHER, deals, mask, early, (1 - role,))
    for role, mask in ((BUYER, ends.buyer_absent), (SELLER, ends.seller_absent)):
        _both(out, K.NO_SHOW, deals, mask, times.due + HOUR_US, (role,))
        back = times.due + 2 * HOUR_US
        _both(out, K.ORDER_CANCELLED_BY_OTHER, deals, mask, back, (1 - role,))
    ruled = times.due + _days(rng, 3, 12, len(deals))
    _both(out, K.ORDER_REFUNDED, deals, ends.not_delivered, ruled)
    _both(out, K.ORDER_SETTLED, deals, ends.settled, times.closed)
    silent = ends.settled & (rng.random(len(deals)) < 0.1)
    _both(out, K.AUTO_APPROVED, deals, silent, times.closed)
    for role, mask in ((BUYER, ends.buyer_loses), (SELLER, ends.seller_loses)):
        opened = times.delivered + _days(rng, 0, 2, len(deals))
        wins = (rng.random(len(deals)) < 0.02) & ends.settled
        _both(out, K.DISPUTE_OPENED_AGAINST, deals, mask | wins, opened, (role,))
        _both(out, K.DISPUTE_LOST, deals, mask, opened + _days(rng, 2, 12, len(deals)), (role,))


def _write_chargebacks(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """The bank takes it back within ten days, we hear 10 to 60 days later, it stands 25 later."""
    rows = np.flatnonzero(ends.chargeback)
    happened = times.closed[rows] + _days(rng, 1, 10, len(rows))
    known = happened + _days(rng, 10, 60, len(rows))
    lost = known + 25 * DAY_US
    party: dict[str, Ints | int] = {
        "order": rows,
        "counterparty": deals.seller[rows],
        "role": BUYER,
        "amount": deals.amount[rows],
    }
    buyer = deals.buyer[rows]
    out.add(K.CHARGEBACK, buyer, happened, known=known, **party)
    out.add(K.CHARGEBACK_LOST, buyer, lost, known=lost, **party)
    below = rng.random(len(rows)) < 0.4
    out.add(
        K.NEGATIVE_BALANCE, buyer[below], (lost + 30 * DAY_US)[below],
        amount=deals.amount[rows][below],
    )  # fmt: skip


def _write_conduct(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Punctuality, answers, requests left alone, upheld reports, removed listings."""
    punctual = ends.settled & ~ends.late
    _plain(out, K.DELIVERED_ON_TIME, deals, punctual, times.delivered)
    overdue = (times.delivered - times.due) // 1_000_000
    tardy = ends.settled & ends.late
    _plain(out, K.DELIVERED_LATE, deals, tardy, times.delivered, value=np.maximum(overdue, 1))
    turned = deals.opened >= people.turns[deals.seller]
    slow = rng.random(len(deals)) < people.rate("slow", deals.seller, turned)
    seconds = np.where(slow, rng.uniform(24, 96, len(deals)), rng.exponential(3, len(deals)))
    answer_s = np.minimum(seconds * 3600, 400_000).astype(np.int64)
    out.add(K.MESSAGE_ANSWERED, deals.seller, deals.opened - 1, value=answer_s)
    ignored = rng.random(len(deals)) < people.rate("unanswered", deals.seller, turned)
    declined = rng.random(len(deals)) < 0.08
    _plain(out, K.ORDER_EXPIRED_UNANSWERED, deals, ignored, deals.opened - HOUR_US)
    _plain(out, K.ORDER_DECLINED, deals, declined, deals.opened - HOUR_US)
    for who, mask in ((deals.buyer, ends.buyer_reported), (deals.seller, ends.seller_reported)):
        rows = np.flatnonzero(mask)
        when = deals.opened[rows] + _days(rng, 1, 20, len(rows))
        out.add(K.REPORT_UPHELD, who[rows], when, order=rows)
    removed = rng.random(len(deals)) < people.rate("removed", deals.seller, turned)
    rows = np.flatnonzero(removed)
    out.add(K.LISTING_REMOVED, deals.seller[rows], deals.opened[rows] - 2 * HOUR_US)


def _plain(
    out: Writer, kind: K, deals: Deals, mask: Bools, when: Ints, value: Ints | None = None
) -> None:
    """A fact of the seller alone, without money."""
    rows = np.flatnonzero(mask)
    out.add(
        kind,
        deals.seller[rows],
        when[rows],
        order=rows,
        counterparty=deals.buyer[rows],
        role=SELLER,
        value=-1 if value is None else value[rows],
    )


def _write_reviews(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """Six of ten write one within a week; late or disputed costs stars; cliques give five."""
    for role, troubled in (
        (BUYER, ends.buyer_loses),
        (SELLER, ends.seller_loses | ends.late | ends.not_delivered),
    ):
        writes = (ends.settled | ends.not_delivered) & (rng.random(len(deals)) < 0.6)
        rows = np.flatnonzero(writes)
        stars = 5 - rng.binomial(4, np.where(troubled[rows], 0.45, 0.08))
        stars = np.where(deals.inside[rows], 5, stars).astype(np.int64)
        sides = (deals.buyer, deals.seller)
        out.add(
            K.REVIEW_RECEIVED,
            sides[role][rows],
            times.closed[rows] + _days(rng, 0, 7, len(rows)),
            order=rows,
            counterparty=sides[1 - role][rows],
            role=role,
            value=stars,
        )
