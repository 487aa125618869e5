"""A small market to rate in: honest members, bad ones, and some who deal with nobody known."""

from pathlib import Path

import numpy as np

from handsel_ml.graph.deals import DAY, Deals

NOW = 1_780_000_000.0


def ratings_file(path: Path, events: int = 2_400, members: int = 120, seed: int = 3) -> Path:
    """A CSV: one member in twelve is bad and gets complaints three times in four."""
    rng = np.random.default_rng(seed)
    bad = rng.random(members) < 0.08
    lines = ["rater,target,rating,time"]
    at = 1_500_000_000.0
    while len(lines) <= events:
        at += float(rng.exponential(3_600.0))
        rater, target = rng.integers(0, members, 2)
        if rater == target or bad[rater]:
            continue
        harmed = rng.random() < (0.75 if bad[target] else 0.03)
        value = -int(rng.integers(3, 11)) if harmed else int(rng.integers(1, 6))
        lines.append(f"m{rater:03d},m{target:03d},{value},{at:.2f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def deals(*rows: tuple[int, int, int, int], members: int = 12, **columns: object) -> Deals:
    """Deals of (buyer, seller, buyer's stars, seller's stars): 20.00 held for a day, closed a
    moment ago, unless a column says otherwise."""
    n = len(rows)
    found = np.array(rows, dtype=np.int64).reshape(n, 4)
    plain = Deals(
        members=members,
        buyer=found[:, 0],
        seller=found[:, 1],
        held=np.full(n, 2_000),
        held_s=np.full(n, DAY),
        closed_at=np.full(n, NOW),
        buyer_stars=found[:, 2],
        seller_stars=found[:, 3],
        linked=np.zeros(n, dtype=bool),
    )
    return plain._replace(**{name: np.array(column) for name, column in columns.items()})


def busy_town(members: int = 60, n: int = 800, seed: int = 5) -> Deals:
    """Random deals over 400 days up to `NOW`, most of them good."""
    rng = np.random.default_rng(seed)
    buyer = rng.integers(0, members, n)
    seller = (buyer + rng.integers(1, members, n)) % members
    return Deals(
        members=members,
        buyer=buyer,
        seller=seller,
        held=rng.integers(0, 50_000, n),
        held_s=rng.uniform(0.0, 20 * DAY, n),
        closed_at=np.sort(NOW - rng.uniform(1.0, 400.0, n) * DAY),
        buyer_stars=rng.choice([0, 1, 4, 5], n, p=[0.3, 0.1, 0.2, 0.4]),
        seller_stars=rng.choice([0, 2, 5], n, p=[0.5, 0.1, 0.4]),
        linked=rng.random(n) < 0.05,
    )
