"""Histories: exactly what was known before, by whom, and what it weighs."""

import numpy as np
import pytest

from handsel_ml.graph.history import COLUMNS, HEARD, Words, matrix, relative, weigh
from handsel_ml.graph.propagate import Floats
from handsel_ml.graph.ratings import Ratings
from handsel_ml.graph.timeline import Block, Timeline, founders, history_now, weighed

DAY = 86_400.0


def log(n: int = 600, members: int = 25, seed: int = 2) -> Ratings:
    rng = np.random.default_rng(seed)
    rater = rng.integers(0, members, n)
    target = (rater + rng.integers(1, members, n)) % members
    value = rng.choice([-1.0, 0.2, 0.5, 1.0], n, p=[0.2, 0.3, 0.3, 0.2])
    return Ratings(members, rater, target, value, np.sort(rng.uniform(0, 400 * DAY, n)))


def naive(ratings: Ratings, event: int, trust: Floats) -> list[tuple[float, float, float]]:
    """(value, time, weight) of the words about an event's target, one word at a time."""
    newest: dict[int, int] = {}
    for past in range(event):
        if ratings.at[past] < ratings.at[event] and ratings.target[past] == ratings.target[event]:
            newest.pop(int(ratings.rater[past]), None)
            newest[int(ratings.rater[past])] = past
    return [
        (
            float(ratings.value[past]),
            float(ratings.at[past]),
            float(weigh(ratings.value[[past]], trust[[rater]])[0]),
        )
        for rater, past in newest.items()
    ]


def test_a_history_is_what_was_said_before_by_each_for_the_last_time() -> None:
    ratings = log()
    timeline = Timeline(ratings)
    trust = timeline.trust_before(500, np.array([0, 1, 2]))

    words, past = timeline.words_before(Block(500, 600))
    words = weighed(words, trust[ratings.rater[past]])

    for row in range(100):
        part = slice(words.offsets[row], words.offsets[row + 1])
        found = zip(words.value[part], words.at[part], words.weight[part], strict=True)
        assert list(found) == naive(ratings, 500 + row, trust)


def test_ratings_of_one_second_do_not_see_each_other() -> None:
    """Days of up to ten ratings; a pair may speak again within one."""
    ratings = log()
    ratings = ratings._replace(at=np.floor(ratings.at / (6 * DAY)))
    timeline = Timeline(ratings)
    trust = np.ones(ratings.members)

    words, past = timeline.words_before(Block(0, 600))
    words = weighed(words, trust[ratings.rater[past]])

    for event in range(600):
        part = slice(words.offsets[event], words.offsets[event + 1])
        found = zip(words.value[part], words.at[part], words.weight[part], strict=True)
        assert sorted(found) == sorted(naive(ratings, event, trust))
        standing = timeline.standing_before(event)
        assert (ratings.at[standing] < ratings.at[event]).all()
    dawn = int(np.searchsorted(ratings.at, ratings.at[100]))
    assert dawn < 100
    assert founders(ratings, 9, 100).tolist() == founders(ratings, 9, dawn).tolist()


@pytest.mark.parametrize("event", [40, 300, 599])
def test_what_came_later_changes_nothing(event: int) -> None:
    ratings, seeds = log(), np.array([0, 1, 2])
    whole, cut = Timeline(ratings), Timeline(ratings.first(event + 1))

    def row(timeline: Timeline) -> Floats:
        trust = timeline.trust_before(event, seeds)
        words, past = timeline.words_before(Block(event, event + 1))
        return matrix(weighed(words, trust[ratings.rater[past]]))

    assert row(whole).tobytes() == row(cut).tobytes()


def test_as_of_the_end_is_what_an_event_after_it_would_see() -> None:
    ratings = log()
    timeline = Timeline(ratings)
    trust = timeline.trust_before(600, np.array([0, 1, 2]))
    member, now = 4, float(ratings.at[-1]) + 1.0
    after = Ratings(
        ratings.members, np.append(ratings.rater, 9), np.append(ratings.target, member),
        np.append(ratings.value, 1.0), np.append(ratings.at, now),
    )  # fmt: skip

    words, past = Timeline(after).words_before(Block(600, 601))

    seen = matrix(weighed(words, trust[ratings.rater[past]]))
    assert history_now(timeline, trust, now)[member].tobytes() == seen[0].tobytes()


def test_columns_of_one_member() -> None:
    words = Words(
        offsets=np.array([0, 3, 3]),
        value=np.array([1.0, -0.5, 1.0]),
        at=np.array([0.0, 100 * DAY, 150 * DAY]),
        weight=np.array([0.7, 1.0, 0.0]),
        now=np.array([180 * DAY, 180 * DAY]),
    )

    rows = [dict(zip(COLUMNS, row, strict=True)) for row in matrix(words).tolist()]

    running = 0.7 * 2 ** (-1 / 3)
    assert rows[0] == pytest.approx(
        {
            "weight": 1.7,
            "mean": 0.1,
            "blame": 1.0,
            "blame_share": 0.5,
            "praise": 0.7,
            "recent_weight": 1.0,
            "recent_mean": -0.5 / 1.3,
            "running_mean": (running - 0.5) / (running + 1.3),
            "spread": 0.95 / 2.0 - 0.01,
            "heard": 2.0,
            "last": -0.5,
            "worst": -0.5,
            "days_since_last": 80.0,
            "days_since_first": 180.0,
        }
    )
    heard = {name for name, value in rows[1].items() if not np.isnan(value)}
    assert {rows[1][name] for name in heard} == {0.0}
    assert set(COLUMNS) - heard == {"last", "worst", "days_since_last", "days_since_first"}


def test_weights_by_trust() -> None:
    praise, blame = np.full(4, 1.0), np.full(4, -1.0)
    trust = np.array([0.0, 0.001, 1.0, 50.0])

    praised, blamed = weigh(praise, trust), weigh(blame, trust)

    assert praised[[0, 1, 3]].tolist() == [0.0, 0.0, 1.0]
    assert blamed[[0, 1]].tolist() == [0.0, 0.0]
    assert 0.99 < blamed[3] < 1.0
    assert HEARD <= praised[2] < blamed[2]
    assert relative(np.array([0.0, 0.25, 0.75])).tolist() == [0.0, 0.5, 1.5]
