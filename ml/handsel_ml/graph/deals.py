"""Edges of the house's own trust graph: who has vouched for whom by a deal that cost something.

An edge needs a deal that is closed and paid, between two verified parties who share no instrument
or device. Whoever paid vouches for whoever was paid, fully by four or five stars, half by letting
the deal settle without a word; who was paid vouches back by stars alone, for anybody can choose to
buy, and nobody can be made to praise. A deal weighs log(1 + what was held × how long), capped,
halved every 180 days; of one pair the strongest deal counts once, the next a half, then a quarter:
repeated for ever they are worth two. What held nothing (no fee, no money, no time) weighs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import GraphRefused
from handsel_ml.graph.propagate import Edges, Floats, Ints

DAY = 86_400.0
HALF_LIFE_DAYS = 180.0
#: Minor units of the reference unit × days; a held 20.00 for a day weighs log 2.
UNIT_HELD = 2_000.0
#: From this long on waiting adds nothing, and from this weight on money does not either.
LONGEST_HOLD_DAYS = 14.0
HEAVIEST = 6.0
#: Stars from which a word is a recommendation; what silence of the payer counts of one.
GOOD_STARS = 4
SILENCE = 0.5


class Deals(NamedTuple):
    """n closed, paid deals among ``members`` people. Times are seconds since 1970; ``held`` minor
    units of the reference unit; stars 1 to 5, 0 for no word; ``linked``: the two share an
    instrument or a device."""

    members: int
    buyer: Ints
    seller: Ints
    held: Ints
    held_s: Floats
    closed_at: Floats
    buyer_stars: Ints
    seller_stars: Ints
    linked: NDArray[np.bool_]

    def closed_before(self, moment: float) -> Deals:
        """The deals closed strictly before a moment."""
        kept = self.closed_at < moment
        return Deals(
            self.members,
            self.buyer[kept],
            self.seller[kept],
            self.held[kept],
            self.held_s[kept],
            self.closed_at[kept],
            self.buyer_stars[kept],
            self.seller_stars[kept],
            self.linked[kept],
        )


def stake(deals: Deals, now: float) -> Floats:
    """What each deal weighs as of ``now``, 0 to `HEAVIEST`, before its pair saturates."""
    days = np.clip(deals.held_s / DAY, 0.0, LONGEST_HOLD_DAYS)
    weight = np.minimum(np.log1p(deals.held * days / UNIT_HELD), HEAVIEST)
    age = np.maximum(now - deals.closed_at, 0.0) / DAY
    real = ~deals.linked & (deals.buyer != deals.seller)
    return np.where(real, weight * np.exp2(-age / HALF_LIFE_DAYS), 0.0)


def edges_of(deals: Deals, verified: NDArray[np.bool_], now: float) -> Edges:
    """One edge per ordered pair with something to vouch by. Raises `GraphRefused`: not_of_age
    when a deal was not closed before ``now``, deal_invalid when it is none."""
    check(deals, now)
    weight = stake(deals, now)
    weight[~(verified[deals.buyer] & verified[deals.seller])] = 0.0
    silent = np.where(deals.buyer_stars == 0, SILENCE, 0.0)
    by_buyer = weight * np.where(deals.buyer_stars >= GOOD_STARS, 1.0, silent)
    by_seller = weight * (deals.seller_stars >= GOOD_STARS)
    return _saturated(
        deals.members,
        np.concatenate([deals.buyer, deals.seller]),
        np.concatenate([deals.seller, deals.buyer]),
        np.concatenate([by_buyer, by_seller]),
    )


def _saturated(members: int, source: Ints, target: Ints, weight: Floats) -> Edges:
    """Sum each ordered pair's weights: the strongest whole, each next one by half."""
    kept = weight > 0.0
    pair, weight = (source * members + target)[kept], weight[kept]
    order = np.lexsort((-weight, pair))
    pair, weight = pair[order], weight[order]
    first = np.flatnonzero(np.concatenate(([True], pair[1:] != pair[:-1]))) if len(pair) else pair
    rank = np.arange(len(pair)) - np.repeat(first, np.diff(np.append(first, len(pair))))
    halved = weight * np.exp2(-rank.astype(np.float64))
    summed = np.add.reduceat(halved, first) if len(pair) else halved
    pairs = pair[first]
    return Edges(members, pairs // members, pairs % members, summed)


def check(deals: Deals, now: float) -> None:
    """Raise `GraphRefused` when a column does not hold what it must, or the future is known."""
    columns = deals[1:]
    if len({len(column) for column in columns}) != 1:
        raise GraphRefused("deal_invalid", "columns of different lengths")
    if len(deals.buyer) == 0:
        return
    ends = np.concatenate([deals.buyer, deals.seller])
    stars = np.concatenate([deals.buyer_stars, deals.seller_stars])
    for what, wrong in (
        ("a party that is not a member", ends.min() < 0 or ends.max() >= deals.members),
        ("a negative amount", deals.held.min() < 0),
        ("a time that is not a number", not np.all(np.isfinite(deals.held_s + deals.closed_at))),
        ("stars outside of 0 to 5", stars.min() < 0 or stars.max() > 5),
    ):
        if wrong:
            raise GraphRefused("deal_invalid", what)
    if deals.closed_at.max() >= now:
        raise GraphRefused("not_of_age", "a deal that was closed at the moment asked for, or later")
