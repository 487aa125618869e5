"""Turn simulated deals into facts, each with the time it happened and the time it was known.

Here the money: checks, top-ups, funding, how deals end, chargebacks. Conduct is in `conduct`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from handsel_ml.contract import FULL_WEIGHT_BPS
from handsel_ml.contract import FactKind as K
from handsel_ml.facts import COLUMNS, KIND_CODE, NOT_RETRACTED, FactTable, Ints
from handsel_ml.simulate.deals import HELD, HOUR_US, PAY_AFTER, RENTAL, Deals, Outcomes, is_new
from handsel_ml.simulate.population import Bools, Population
from handsel_ml.tallies import DAY_US

BUYER, SELLER = 0, 1
PAYMENT_TERM_US = 7 * DAY_US
DEFAULT_AFTER_US = 14 * DAY_US
#: Of the house: how long a buyer may look, and what is approved waits (`tiers.toml`): of a seller
#: at T2, at T1, and of a seller's first small orders.
INSPECTION_US = 2 * DAY_US
HOLD_US, NEWCOMERS_HOLD_US, FIRST_HOLD_US = 7 * DAY_US, 14 * DAY_US, 3 * DAY_US
_FIRST_ORDERS, _FIRST_UP_TO = 3, 3_000
#: Who waited in vain says so, and nobody contests it for a day.
ABSENT_US = DAY_US + HOUR_US // 3
#: What was not delivered by then goes back.
GIVEN_UP_US = 3 * DAY_US
#: The steps of the ladder in the order in which people take them.
LADDER = (1, 3, 2, 4, 5)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of each deal in microseconds; `silent`: approved by the timer; `owed_until`: the due
    date of what is paid after; `paid`: from when the hold period runs; `ruled`: of a dispute."""

    funded: Ints
    due: Ints
    delivered: Ints
    silent: Bools
    owed_until: Ints
    paid: Ints
    ruled: Ints
    closed: Ints


def draw_timeline(
    rng: np.random.Generator, people: Population, deals: Deals, outcomes: Outcomes
) -> Timeline:
    """Funded within a day, due within a fortnight, late by hours to days (after three the house
    cancels), approved within the two days of inspection, settled after the hold period; or paid in
    the week after approval, or up to 13 days too late; a dispute is over within five days."""
    count = len(deals)
    due = deals.opened + (rng.uniform(1, 14, count) * DAY_US).astype(np.int64)
    late = np.minimum(rng.exponential(20, count) + 0.5, 70) * HOUR_US
    early = rng.uniform(0, 6, count) * HOUR_US
    delivered = due + np.where(outcomes.late, late, -early).astype(np.int64)
    silent = rng.random(count) < 0.1
    approved = delivered + np.where(silent, INSPECTION_US, days(rng, 0, 2, count))
    owed_until = approved + PAYMENT_TERM_US
    in_time = approved + days(rng, 0, 7, count)
    too_late = owed_until + (np.minimum(rng.exponential(4, count) + 0.1, 13) * DAY_US).astype(int)
    paid = np.where(
        deals.way == PAY_AFTER, np.where(outcomes.pays_late, too_late, in_time), approved
    )
    ruled = delivered + days(rng, 3, 4.5, count)
    ended = np.where(outcomes.disputed, ruled, paid)
    return Timeline(
        funded=deals.opened + (rng.uniform(0, 1, count) * 12 * HOUR_US).astype(np.int64),
        due=due,
        delivered=delivered,
        silent=silent,
        owed_until=owed_until,
        paid=paid,
        ruled=ruled,
        closed=ended + np.where(deals.way == RENTAL, 0, _holds(people, deals)),
    )


def _holds(people: Population, deals: Deals) -> Ints:
    """How long the house keeps a seller's money after the work, by what it knows of the seller."""
    seller = deals.seller
    new = is_new(people, seller, deals.opened)
    order = np.argsort(seller, kind="stable")
    place = np.arange(len(order))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = seller[order][1:] != seller[order][:-1]
    sold = np.empty(len(order), dtype=np.int64)
    sold[order] = place - np.maximum.accumulate(np.where(fresh, place, 0))
    first = (sold < _FIRST_ORDERS) & (deals.amount <= _FIRST_UP_TO)
    return np.where(first, FIRST_HOLD_US, np.where(new, NEWCOMERS_HOLD_US, HOLD_US))


class Writer:
    """Collects blocks of facts and joins them into one table."""

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: list[dict[str, Ints]] = []

    def add(self, kind: K, member: Ints, happened: Ints, **columns: Ints | int) -> None:
        """Add one fact per member; `known` defaults to `happened`, other columns to none."""
        given: dict[str, Ints | int] = {
            "known": happened,
            "amount": 0,
            "weight": FULL_WEIGHT_BPS,
            "retracted": NOT_RETRACTED,
            **columns,
            "member": member,
            "happened": happened,
            "kind": KIND_CODE[kind],
        }
        self._blocks.append(
            {
                name: np.broadcast_to(np.asarray(given.get(name, -1), dtype=np.int64), member.shape)
                for name in COLUMNS
            }
        )

    def both(
        self, kind: K, deals: Deals, mask: Bools, when: Ints, roles: tuple[int, ...] = (0, 1),
        money: bool = True, **columns: Ints,
    ) -> None:  # fmt: skip
        """The same fact for the parties of the masked deals; columns are of all deals."""
        rows = np.flatnonzero(mask)
        sides = (deals.buyer, deals.seller)
        for role in roles:
            self.add(
                kind,
                sides[role][rows],
                when[rows],
                order=rows,
                counterparty=sides[1 - role][rows],
                role=role,
                amount=deals.amount[rows] if money else 0,
                **{name: column[rows] for name, column in columns.items()},
            )

    def table(self, names: tuple[str, ...], end: int) -> FactTable:
        """All facts known before `end`, numbered in order of the time they were known."""
        joined = {name: np.concatenate([b[name] for b in self._blocks]) for name in COLUMNS}
        rows = np.flatnonzero(joined["known"] < end)
        rows = rows[np.argsort(joined["known"][rows], kind="stable")]
        columns = {name: np.ascontiguousarray(joined[name][rows]) for name in COLUMNS}
        columns["source"] = np.arange(len(rows), dtype=np.int64)
        return FactTable(names=names, **columns)


def days(rng: np.random.Generator, low: float, high: float, count: int) -> Ints:
    """So many spans between `low` and `high` days, in microseconds."""
    return (rng.uniform(low, high, count) * DAY_US).astype(np.int64)


def write_members(rng: np.random.Generator, out: Writer, people: Population) -> None:
    """Joining and the steps of the verification ladder, a few days apart."""
    everyone = np.arange(len(people))
    out.add(K.MEMBER_JOINED, everyone, people.joined)
    for place, step in enumerate(LADDER):
        rows = everyone[people.verified > place]
        when = people.joined[rows] + place * 3 * DAY_US + days(rng, 0, 2, len(rows))
        out.add(K.VERIFICATION_PASSED, rows, when, value=step)


def write_money(
    rng: np.random.Generator,
    out: Writer,
    people: Population,
    deals: Deals,
    ends: Outcomes,
    times: Timeline,
) -> None:
    """Every fact of money that a deal leaves with either party."""
    _write_funding(rng, out, people, deals, ends, times)
    _write_endings(rng, out, deals, ends, times)
    _write_owing(out, deals, ends, times)
    _write_chargebacks(rng, out, deals, ends, times)


def _write_funding(
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
    needs = ((rng.random(count) < 0.5) | ends.chargeback) & (deals.way != PAY_AFTER)
    for kind, mask in ((K.TOP_UP_FAILED, fails), (K.TOP_UP_SUCCEEDED, needs & ~ends.unfunded)):
        rows = np.flatnonzero(mask)
        out.add(kind, deals.buyer[rows], times.funded[rows] - 1, amount=deals.amount[rows])
    out.both(K.ORDER_FUNDED, deals, ~ends.unfunded, times.funded)
    out.both(K.ORDER_UNFUNDED, deals, ends.unfunded, deals.opened + 3 * DAY_US, (BUYER,))


def _write_endings(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """Cancelled, absent, refunded, kept or settled; a tenth of the settled by the timer."""
    early = times.funded + ((times.due - times.funded) * rng.random(len(deals))).astype(np.int64)
    for role, mask in ((BUYER, ends.cancelled_by_buyer), (SELLER, ends.cancelled_by_seller)):
        out.both(K.ORDER_CANCELLED_BY_SELF, deals, mask, early, (role,))
        out.both(K.ORDER_CANCELLED_BY_OTHER, deals, mask, early, (1 - role,))
    for role, mask in ((BUYER, ends.buyer_absent), (SELLER, ends.seller_absent)):
        out.both(K.NO_SHOW, deals, mask, times.due + ABSENT_US, (role,))
        out.both(K.ORDER_CANCELLED_BY_OTHER, deals, mask, times.due + ABSENT_US, (1 - role,))
    out.both(K.ORDER_REFUNDED, deals, ends.not_delivered, times.due + GIVEN_UP_US)
    out.both(K.ORDER_CANCELLED_BY_OTHER, deals, ends.disputed, times.ruled)
    given_up = times.due + 3 * DAY_US
    out.both(K.ITEM_UNRETURNED, deals, ends.unreturned, given_up, (BUYER,))
    out.both(K.ORDER_CANCELLED_BY_OTHER, deals, ends.unreturned, given_up, (SELLER,))
    out.both(K.ORDER_SETTLED, deals, ends.settled, times.closed)
    silent = ends.settled & times.silent & (deals.way == HELD)
    out.both(K.AUTO_APPROVED, deals, silent, times.paid, money=False)


def _write_owing(out: Writer, deals: Deals, ends: Outcomes, times: Timeline) -> None:
    """What was promised for after the work, and paid in time, late, or not at all."""
    out.both(K.PAY_AFTER_PROMISED, deals, deals.way == PAY_AFTER, times.funded, (BUYER,))
    owed = ends.settled & (deals.way == PAY_AFTER)
    overdue_s = np.maximum((times.paid - times.owed_until) // 1_000_000, 1)
    in_time, late = owed & ~ends.pays_late, owed & ends.pays_late
    out.both(K.PAY_AFTER_PAID, deals, in_time, times.paid, (BUYER,))
    out.both(K.PAY_AFTER_LATE, deals, late, times.paid, (BUYER,), value=overdue_s)
    given_up = times.owed_until + DEFAULT_AFTER_US
    out.both(K.PAY_AFTER_DEFAULT, deals, ends.defaulted, given_up, (BUYER,))


def _write_chargebacks(
    rng: np.random.Generator, out: Writer, deals: Deals, ends: Outcomes, times: Timeline
) -> None:
    """The bank takes it back within ten days, we hear 10 to 60 days later, it stands 25 later."""
    rows = np.flatnonzero(ends.chargeback)
    happened = times.closed[rows] + days(rng, 1, 10, len(rows))
    known = happened + days(rng, 10, 60, len(rows))
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
