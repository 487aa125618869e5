"""Trust, standing and reliability as of a moment; and that they cannot be bought."""

import numpy as np
import pytest

from handsel_ml.graph.assess import DAMAGE_CAP, Assessed, assess, opinions_of, standings
from handsel_ml.graph.deals import DAY, Deals
from handsel_ml.graph.propagate import Floats
from tests.ml.graph.market import NOW, busy_town

SEEDS = np.arange(10)


def figures(town: Deals, now: float = NOW, seeds: int = 10) -> Assessed:
    found = assess(town, np.ones(town.members, dtype=bool), SEEDS[:seeds], now)
    assert found is not None
    return found


def with_deals(town: Deals, rows: list[tuple[int, int, int, int]], members: int) -> Deals:
    """The town with (buyer, seller, stars of buyer, stars of seller) at its end, dearly paid."""
    more = np.array(rows, dtype=np.int64)
    n = len(more)
    columns = (
        more[:, 0], more[:, 1], np.full(n, 50_000), np.full(n, 14 * DAY), np.full(n, NOW - 1.0),
        more[:, 2], more[:, 3], np.zeros(n, dtype=bool),
    )  # fmt: skip
    joined = [np.concatenate(pair) for pair in zip(town[1:], columns, strict=True)]
    return Deals(members, *joined)


@pytest.mark.parametrize("days", [0, 30, 200])
def test_what_came_later_changes_nothing(days: int) -> None:
    town, moment = busy_town(), NOW - days * DAY
    early = town.closed_before(moment)

    # The log in another order, with a future that praises and blames at random, cut at the moment.
    mixed = np.random.default_rng(days).permutation(len(town.buyer))
    whole = Deals(town.members, *(column[mixed] for column in town[1:]))

    cut, recut = figures(early, moment), figures(whole.closed_before(moment), moment)

    for one, other in zip(cut, recut, strict=True):
        assert np.abs(one - other).max() < 1e-12


def test_fakes_that_deal_with_each_other_and_praise_move_nobody() -> None:
    town = busy_town()
    fakes = range(town.members, town.members + 50)
    target = int(figures(town).standing.argmin())
    rows = [(fake, target, 5, 0) for fake in fakes]
    rows += [(fake, other, 5, 5) for fake in fakes for other in fakes if fake != other]
    rows += [(fake, top, 5, 0) for fake in fakes for top in range(5)]

    before = figures(town)
    after = figures(with_deals(town, rows, town.members + 50))

    n = town.members
    assert np.abs(after.trust[:n] - before.trust).max() < 1e-12
    assert np.abs(after.standing[:n] - before.standing).max() < 1e-12
    assert np.abs(after.reliability[:n] - before.reliability).max() < 1e-12
    assert not after.trust[n:].any()
    assert (after.reliability[n:] <= 0.5).all()


def test_a_bad_member_of_whom_nobody_trusted_spoke_is_unknown_and_not_bad() -> None:
    town = busy_town()
    n = town.members
    rows = [(n, n + 1, 1, 1), (n + 2, n + 1, 1, 1)]

    found = figures(with_deals(town, rows, n + 3))

    weight = found.standing * (found.voices + 7.0) - 7.0 * found.standing[n + 1]
    mean = weight.sum() / found.voices.sum()
    assert found.voices[n + 1] == 0.0
    assert found.standing[n + 1] == pytest.approx(mean, abs=1e-12)
    assert (found.standing[:n] < found.standing[n + 1]).any()


def test_one_rater_moves_a_standing_by_no_more_than_the_cap() -> None:
    town = busy_town(n=150)
    opinions = opinions_of(town)
    loudest = np.ones(len(opinions.value))

    def without(one: int) -> Floats:
        kept = np.arange(len(loudest)) != one
        rest = type(opinions)(*(column[kept] for column in opinions))
        return standings(town.members, rest, loudest[kept])[0]

    full = standings(town.members, opinions, loudest)[0]
    moves = [np.abs(full - without(i))[opinions.target[i]] for i in range(len(loudest))]

    assert max(moves) <= DAMAGE_CAP
    assert max(moves) > DAMAGE_CAP / 4


def test_a_rater_who_contradicts_the_trusted_is_believed_less() -> None:
    town = busy_town()
    praised = np.argsort(-figures(town).standing)[:8].tolist()
    liar, honest = town.members, town.members + 1
    vouched = [(seed, who, 5, 5) for seed in range(3) for who in (liar, honest)]
    rows = [(liar, m, 1, 0) for m in praised] + [(honest, m, 5, 0) for m in praised] + vouched

    found = figures(with_deals(town, rows, town.members + 2))

    assert found.reliability[liar] + 0.25 < found.reliability[honest]
    assert found.compared[liar] > 4.0


def test_with_too_few_seeds_nothing_is_claimed() -> None:
    town = busy_town()
    everybody = np.ones(town.members, dtype=bool)

    assert assess(town, everybody, SEEDS[:9], NOW) is None
