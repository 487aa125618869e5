"""The trees of `fitting`, boosted by several workers: LightGBM's data-parallel learner on Dask.

For more rows than one machine holds. Parameters and refusals are those of one machine. LightGBM's
Dask estimators (4.7) know no early stopping, so the number of rounds is found first, by the trainer
of one machine, on a sample that one machine holds. Two runs need not agree to the bit: which worker
holds which rows is Dask's affair, and sums over the network are rounded in another order.

The workers' own sockets listen on every interface while they fit: LightGBM knows no other way. Run
it on a network that is yours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dask.array
import lightgbm
import msgspec
import numpy as np
from dask.distributed import Client, LocalCluster

from handsel_ml.config import Trees
from handsel_ml.features import FEATURES
from handsel_ml.fitting import fit_trees, tree_parameters
from handsel_ml.rows import Slices, TrainingSet, check_set

#: Rows on which the number of rounds is found: seconds on one machine.
SAMPLE_ROWS = 200_000
#: How long a worker waits for another one before the fit fails.
_WAIT_MINUTES = 2


def fit_distributed(
    rows: TrainingSet,
    cut: Slices,
    trees: Trees,
    seed: int,
    client: Client,
    rounds: int | None = None,
) -> str:
    """As `fitting.fit_trees`, by the workers of a cluster; the text loads like any other.

    `rounds`: how many trees; None looks for them by `rounds_on_sample`. Raises `TrainingRefused`.
    """
    check_set(rows)
    signs = [feature.sign for feature in FEATURES[rows.kind]]
    parameters = tree_parameters(trees, signs, seed)
    del parameters["num_threads"]  # a worker has as many as its cluster gave it
    parameters["time_out"] = _WAIT_MINUTES
    model = lightgbm.DaskLGBMClassifier(
        client=client,
        n_estimators=rounds or rounds_on_sample(rows, cut, trees, seed),
        tree_learner="data",
        **parameters,
    )
    # Every n-th row to each worker, so that all of them see all of the time.
    workers = len(client.scheduler_info()["workers"])
    order = np.concatenate([cut.fit[first::workers] for first in range(workers)])
    size = -(-len(order) // workers)
    matrix = dask.array.from_array(rows.matrix[order], chunks=(size, len(rows.names)))
    label = dask.array.from_array(rows.label[order], chunks=size)
    with warnings.catch_warnings():
        # The estimator warns of a parameter that it sets itself.
        warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
        model.fit(matrix, label, feature_name=list(rows.names))
    text: str = model.booster_.model_to_string()
    return text


def rounds_on_sample(
    rows: TrainingSet, cut: Slices, trees: Trees, seed: int, most: int = SAMPLE_ROWS
) -> int:
    """After how many rounds one machine stops, on `most` rows drawn from each older slice."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = {
        name: np.sort(rng.permutation(getattr(cut, name))[:most]) for name in ("fit", "validation")
    }
    text = fit_trees(rows, msgspec.structs.replace(cut, **drawn), trees, seed)
    return int(lightgbm.Booster(model_str=text).num_trees())


@contextmanager
def local_cluster(workers: int = 2, *, processes: bool = True) -> Iterator[Client]:
    """Workers on the loopback device with a thread each, gone when the block ends, however.

    Without `processes` they are threads of this one, which starts in half a second.
    """
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=processes,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
