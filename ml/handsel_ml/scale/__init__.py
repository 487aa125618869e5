"""More facts than one would like to hold in Python: files of columns, clusters, batches.

`parquet` keeps facts as Parquet files under a manifest, `matrix` makes a training matrix out of
them, `training` boosts on a Dask cluster, `batch` scores many rows at once. Polars and Dask are
imported here alone, and by nothing that serves.
"""
