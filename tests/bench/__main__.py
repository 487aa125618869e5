"""Run every benchmark, or those named on the command line."""

import sys
from pathlib import Path

from handsel.foundation.core.settings import load
from tests.bench.features import features_linear, features_peak_gb
from tests.bench.http import http_flow_vs_posting, http_money_vs_posting
from tests.bench.ledger import (
    hot_seller_vs_uniform,
    posting_large_vs_small,
    settlement_batch_vs_posting,
    statement_large_vs_small,
)
from tests.bench.orders import timer_sweep_vs_posting_batch, transition_vs_posting
from tests.bench.posting import function_vs_six_statements, service_vs_pgbench
from tests.bench.rounds import Effort, report
from tests.bench.scoring import batch_rows_per_s, reasons_p50_us, score_vs_c_api
from tests.bench.searching import search_p95_vs_query
from tests.bench.server import bench_server
from tests.bench.slots import free_slots_vs_index

_WITH_SERVER = {
    "posting_function_vs_six_statements": function_vs_six_statements,
    "posting_service_vs_pgbench": service_vs_pgbench,
    "http_money_vs_posting": http_money_vs_posting,
    "http_flow_vs_posting": http_flow_vs_posting,
    "settlement_batch_vs_posting": settlement_batch_vs_posting,
    "hot_seller_vs_uniform": hot_seller_vs_uniform,
    "posting_large_vs_small": posting_large_vs_small,
    "statement_large_vs_small": statement_large_vs_small,
    "transition_vs_posting": transition_vs_posting,
    "timer_sweep_vs_posting_batch": timer_sweep_vs_posting_batch,
    "search_p95_vs_query": search_p95_vs_query,
    "free_slots_vs_index": free_slots_vs_index,
}
_ALONE = {
    "score_vs_c_api": score_vs_c_api,
    "reasons_p50_us": reasons_p50_us,
    "batch_rows_per_s": batch_rows_per_s,
    "features_linear": features_linear,
    "features_peak_gb": features_peak_gb,
}


def main(names: list[str], effort: Effort, home: Path) -> None:
    """Measure and report; every benchmark that needs a database shares one server."""
    chosen = names or [*_WITH_SERVER, *_ALONE]
    for name in chosen:
        if name in _ALONE:
            report(_ALONE[name](effort), home)
    wanted = [name for name in chosen if name in _WITH_SERVER]
    if not wanted:
        return
    with bench_server() as bench:
        for name in wanted:
            line = _WITH_SERVER[name](bench, effort)
            if line is not None:
                report(line, home)


if __name__ == "__main__":
    main(sys.argv[1:], Effort(), load().home)
