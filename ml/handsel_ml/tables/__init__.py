"""Benchmarks on any table: our credit model beside the peers', on the same folds of a CSV file.

A TOML config says what the table's columns mean; protected and forbidden columns can never become
features. What our model does is fixed by the size of the table alone (`ours`), never by its name,
and was chosen on other splits than those that are reported. Nothing that serves imports this
package; the peers are imported where they are fitted, from the extra `bench`.
"""

from handsel_ml.tables.benchmark import run_benchmark
from handsel_ml.tables.config import TableConfig, read_table_config
from handsel_ml.tables.reading import Table, read_table

__all__ = ["Table", "TableConfig", "read_table", "read_table_config", "run_benchmark"]
