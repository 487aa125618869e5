"""Which engine answers: PostgreSQL, or Meilisearch with PostgreSQL behind it."""

from handsel.foundation.core import clock
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel_search.engine import SearchEngine
from handsel_search.fallback import ResilientEngine
from handsel_search.meilisearch import MeilisearchEngine
from handsel_search.postgres import PostgresEngine


def make_engine(settings: Settings, database: Database) -> SearchEngine:
    """The engine of a process; it remembers how Meilisearch is doing, so make it once."""
    postgres = PostgresEngine(database.pool)
    meilisearch = make_meilisearch(settings)
    if meilisearch is None:
        return postgres
    return ResilientEngine(meilisearch, postgres, monotonic=clock.monotonic)


def make_meilisearch(settings: Settings) -> MeilisearchEngine | None:
    """The Meilisearch side alone, for its own feed; None where it is not configured."""
    if not settings.meilisearch_url:
        return None
    return MeilisearchEngine(settings.meilisearch_url, settings.meilisearch_api_key)
