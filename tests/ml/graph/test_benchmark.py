"""`benchmark-trust`: the form of its answer, the Sybil gate, and what it cannot judge."""

import gzip
from pathlib import Path

import msgspec
import pytest

from handsel_ml.errors import GraphRefused
from handsel_ml.graph import protocol
from handsel_ml.graph.benchmark import TrustBenchmark, benchmark_trust
from handsel_ml.graph.ratings import FEWEST, read_ratings
from handsel_ml.graph.sybil import BY_COLLUDERS, BY_FAKES, SybilTest
from handsel_ml.graph.timeline import Timeline
from tests.conftest import real_data
from tests.ml.graph.market import ratings_file

SCORERS = ["target_only", "trust_weighted", "mean_rating", "fairness_goodness", "eigentrust_mean"]


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ratings_file(tmp_path_factory.mktemp("ratings") / "ratings.csv")


@pytest.fixture(scope="module")
def judged(ratings: Path) -> tuple[TrustBenchmark, list[str]]:
    told: list[str] = []
    return benchmark_trust(ratings, told.append), told


def test_answer_has_one_form(judged: tuple[TrustBenchmark, list[str]]) -> None:
    body = msgspec.json.decode(msgspec.json.encode(judged[0]))

    assert list(body) == ["auc", "sybil"]
    assert list(body["auc"]) == SCORERS
    assert list(body["sybil"]) == ["score", "moved_by_50", "moved_by_5_colluders", "auc"]
    assert body["sybil"]["score"] == "trust_weighted"
    assert body["sybil"]["auc"] == body["auc"]["trust_weighted"]
    assert all(0.5 < value < 1.0 for value in body["auc"].values())


def test_a_standing_cannot_be_bought_by_fakes(
    judged: tuple[TrustBenchmark, list[str]],
) -> None:
    found, told = judged

    families = [f.name for f in (*BY_FAKES, *BY_COLLUDERS)]
    assert found.sybil.moved_by_50 == 0.0
    assert found.sybil.moved_by_5_colluders < 0.05
    assert [name for name in families if any(line.startswith(f"{name}: ") for line in told)] == (
        families
    )


def test_a_plain_history_can_be_bought(ratings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = Timeline(read_ratings(ratings))
    found = protocol.run(timeline)
    monkeypatch.setattr("handsel_ml.graph.timeline.weigh", lambda value, trust: abs(value) * 0 + 1)
    test = SybilTest(timeline, found.people, found.seeds)

    assert test.moved_by(BY_FAKES[1], test.bad[:3]).mean > 0.05


def test_gzip_and_a_file_without_header_read_alike(ratings: Path, tmp_path: Path) -> None:
    lines = ratings.read_text().splitlines()[1:]
    bare, packed = tmp_path / "bare.csv", tmp_path / "packed.csv.gz"
    bare.write_text("\r\n".join([*lines, "m001,m001,10,1600000000", ""]))
    packed.write_bytes(gzip.compress(ratings.read_bytes()))

    one, *others = (read_ratings(file) for file in (ratings, bare, packed))

    assert one.members == 120
    assert len(one.at) == 2_400
    for other in others:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one[1:], other[1:], strict=True))


ROW = "a,b,3,1500000000"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        pytest.param(None, "file_missing", "there is no file", id="missing"),
        pytest.param(b"\xff\xfe\x00", "file_unreadable", "no text", id="not a text"),
        pytest.param(b"\x1f\x8bnonsense", "file_unreadable", "no text", id="broken gzip"),
        pytest.param("", "too_few_events", "0 ratings", id="empty"),
        pytest.param(ROW, "too_few_events", "1 ratings", id="one"),
        pytest.param("a,b,3", "columns_missing", "row 1 has 3 columns", id="no time"),
        pytest.param("who,whom,how,when\na,b\n", "columns_missing", "row 1 has 2", id="short row"),
        pytest.param(f"{ROW}\na,b,good,1500000000", "kind_wrong", "row 2 is no number: 'good'",
                     id="words"),
        pytest.param(f"{ROW}\na,b,nan,1500000000", "kind_wrong", "no number", id="nan"),
        pytest.param(f"{ROW}\na,,1,1500000000", "kind_wrong", "no target", id="nobody"),
        pytest.param(f"{ROW}\na,b,1,soon", "date_invalid", "row 2 is no unix time", id="no date"),
        pytest.param(f"{ROW}\na,b,1,", "date_invalid", "no unix time", id="empty date"),
        pytest.param(f"{ROW}\na,b,1,1500000000000", "date_invalid", "no unix time", id="millis"),
        pytest.param(f"{ROW}\n" * FEWEST, "rating_constant", "every rating is 3", id="constant"),
        pytest.param(f"{ROW}\na,b,5,1500000000\n" * FEWEST, "nothing_to_foresee", "below 0",
                     id="stars"),
        pytest.param(f"{ROW}\na,b,-5,1500000000\n" * FEWEST, "duplicate_facts",
                     "a rates b twice at 2017-07-14T02:40:00+00:00", id="twice"),
        pytest.param(f"{ROW}\na,b,1_000,1500000000", "kind_wrong", "'1_000'", id="underscore"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_one_sentence(
    tmp_path: Path, text: str | bytes | None, code: str, said: str
) -> None:
    file = tmp_path / "ratings.csv"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(GraphRefused) as refused:
        benchmark_trust(file)

    assert refused.value.code == code
    assert said in refused.value.detail
    assert "\n" not in refused.value.detail


def test_complaints_only_late_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rows = [
        f"m{i % 50},n{i % 37},{-1 if i > 2_300 else i % 5 + 1},{15e8 + i}" for i in range(2_400)
    ]
    file.write_text("\n".join(rows))

    with pytest.raises(GraphRefused, match="train slice needs complaints") as refused:
        benchmark_trust(file)

    assert refused.value.code == "label_constant"


def test_real_ratings_of_a_real_market() -> None:
    """The first of them, and three of the bad members: the figures are the benchmark's."""
    ratings = read_ratings(real_data("trust", "bitcoin_otc.csv")).first(8_000)
    timeline = Timeline(ratings)

    found = protocol.run(timeline)
    test = SybilTest(timeline, found.people, found.seeds)
    moved = [test.moved_by(f, test.bad[:3]).mean for f in (BY_FAKES[2], BY_COLLUDERS[3])]

    assert found.auc["target_only"] > 0.75
    assert found.auc["trust_weighted"] > 0.75
    assert moved[0] == 0.0
    assert moved[1] < 0.05
