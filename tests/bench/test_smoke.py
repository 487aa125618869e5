"""The benchmarks run and report; their figures are not judged here."""

from pathlib import Path

import msgspec
import pytest

from tests.bench.__main__ import main
from tests.bench.rounds import Effort, Line
from tests.conftest import real_data

_HERE = Path(__file__).parent


def test_every_benchmark_reports_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        "score_vs_c_api",
        "reasons_p50_us",
        "batch_rows_per_s",
        "posting_function_vs_six_statements",
        "posting_service_vs_pgbench",
        "http_money_vs_posting",
        "http_flow_vs_posting",
    ]

    main(names, Effort(rounds=1, seconds=1), tmp_path)

    lines = (tmp_path / "bench.jsonl").read_text().splitlines()
    found = [msgspec.json.decode(line, type=Line) for line in lines]
    assert [line.name for line in found] == names
    assert all(line.ratio > 0 and len(line.rounds) == 1 for line in found)
    assert capsys.readouterr().out.splitlines() == lines


def test_the_baselines_are_the_fixed_ones() -> None:
    fixed = real_data().parent / "bench"
    if not fixed.is_dir():
        pytest.skip(f"the fixed baselines are absent: {fixed}")

    for file in ("posting_schema.sql", "posting_six.pgbench", "search_schema.sql"):
        assert (_HERE / "baseline" / file).read_text() == (fixed / file).read_text()
