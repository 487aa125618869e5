"""The outbox is tested on the queue's database."""

from tests.foundation.jobs.conftest import conn, database_url, dsn, pool

__all__ = ["conn", "database_url", "dsn", "pool"]
