"""Writing the PostgreSQL index: one upsert for a few documents, COPY for many."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from handsel_search.documents import ListingDocument
from handsel_search.synonyms import category_words
from handsel_search.text import tsvector_literal, weighted_terms

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

__all__ = ("copy_upsert", "refresh_vocabulary", "upsert_sql", "values")

COPY_ROWS: Final = 5000

# name, type of the staged value, expression in the table (s is the staged row)
_STAGED: Final = (
    ("id", "uuid"),
    ("version", "bigint"),
    ("seller_id", "text"),
    ("storefront_id", "text"),
    ("kind", "text"),
    ("category", "text"),
    ("pack", "text"),
    ("lang", "text"),
    ("unit", "text"),
    ("price_minor", "bigint"),
    ("currency", "text"),
    ("fulfilment", "text"),
    ("lat", "double precision"),
    ("lon", "double precision"),
    ("service_radius_m", "integer"),
    ("live", "boolean"),
    ("conduct_band", "smallint"),
    ("identity_tier", "smallint"),
    ("verified_facts", "text"),
    ("response_rate", "double precision"),
    ("settled_count", "integer"),
    ("created_at", "timestamptz"),
    ("doc", "text"),
)
_NAMES: Final = tuple(name for name, _ in _STAGED)
_EXPRESSIONS: Final = {
    "fulfilment": "string_to_array(s.fulfilment, ' ')",
    "verified_facts": "string_to_array(s.verified_facts, ' ')",
    "doc": "s.doc::tsvector",
}
_STAGE: Final = "search_documents_stage"
_DIGIT: Final = re.compile("[0-9]")


def values(doc: ListingDocument, words: Words) -> tuple[object, ...]:
    """A document as a staged row, in the order of the staged columns; counts its words."""
    terms = weighted_terms(doc, category_words(doc.category))
    words.add(terms)
    return (
        doc.id,
        doc.version,
        doc.seller_id,
        doc.storefront_id,
        doc.kind,
        doc.category,
        doc.pack,
        doc.lang,
        doc.unit,
        doc.price_minor,
        doc.currency,
        " ".join(sorted(doc.fulfilment)),
        doc.lat,
        doc.lon,
        doc.service_radius_m,
        doc.live,
        doc.conduct_band,
        doc.identity_tier,
        " ".join(sorted(doc.verified_facts)),
        doc.response_rate,
        doc.settled_count,
        doc.created_at,
        tsvector_literal(terms),
    )


def _insert(schema: str, source: str) -> str:
    """Upsert from a staged source: the newest version of each id, never over a newer row."""
    columns = ", ".join((*_NAMES, "pos"))
    chosen = ", ".join(_EXPRESSIONS.get(name, f"s.{name}") for name in _NAMES)
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*_NAMES, "pos") if name != "id")
    return f"""
        INSERT INTO {schema}.search_documents AS kept ({columns})
        SELECT {chosen}, ll_to_earth(s.lat, s.lon)
        FROM (SELECT DISTINCT ON (id) * FROM {source} ORDER BY id, version DESC) AS s
        ON CONFLICT (id) DO UPDATE SET {updates} WHERE kept.version <= excluded.version"""


# Words are taken in sorted order, so that two writers never wait for each other in a circle.
_LEARN: Final = """
    INSERT INTO {schema}.search_vocabulary (word, documents)
    SELECT word, documents FROM unnest({words}::text[], {counts}::integer[]) AS f (word, documents)
    WHERE NOT EXISTS (SELECT FROM {schema}.search_vocabulary AS v WHERE v.word = f.word)
    ORDER BY word
    ON CONFLICT (word) DO NOTHING"""


class Words:
    """Counts in how many documents each word of the vocabulary's kind occurs."""

    def __init__(self) -> None:
        self._documents: Counter[str] = Counter()

    def add(self, terms: Iterable[str]) -> None:
        """Count the distinct terms of one document."""
        self._documents.update(iter(terms))  # of a mapping, update() would add the values

    def arrays(self) -> tuple[list[str], list[int]]:
        """Words of 4 to 40 characters without digits, and their counts."""
        known = [
            (word, count)
            for word, count in self._documents.items()
            if 4 <= len(word) <= 40 and not _DIGIT.search(word)
        ]
        return [word for word, _ in known], [count for _, count in known]


def upsert_sql(schema: str) -> str:
    """One statement: upsert documents given as one array per staged column, learn words.

    The last two arrays are words and their counts. Answers with the number of rows written.
    """
    arrays = ", ".join(f"${i}::{kind}[]" for i, (_, kind) in enumerate(_STAGED, 1))
    source, count = "staged", len(_STAGED)
    learn = _LEARN.format(schema=schema, words=f"${count + 1}", counts=f"${count + 2}")
    return f"""
        WITH staged ({", ".join(_NAMES)}) AS MATERIALIZED (SELECT * FROM unnest({arrays})),
        written AS ({_insert(schema, source)} RETURNING id),
        learned AS ({learn})
        SELECT count(*) FROM written"""


def _transaction(
    conn: Connection[Any] | PoolConnectionProxy[Any],
) -> AbstractAsyncContextManager[object]:
    """The caller's transaction where there is one, however it was begun; else one of our own."""
    return nullcontext() if conn.is_in_transaction() else conn.transaction()


async def copy_upsert(
    conn: Connection[Any] | PoolConnectionProxy[Any],
    documents: Iterable[ListingDocument],
    schema: str = "catalog",
) -> int:
    """Upsert many documents by COPY, 5,000 at a time; the number of rows written.

    Runs in the caller's transaction if there is one (as a savepoint), else in its own. The
    document stream is read once and may be a generator.

    Raises:
        asyncpg.PostgresError: nothing of this call is written.
    """
    source = iter(documents)
    stage = ", ".join(f"{name} {kind}" for name, kind in _STAGED)
    written = 0
    async with _transaction(conn):
        await conn.execute(f"CREATE TEMP TABLE {_STAGE} ({stage})")
        learn = _LEARN.format(schema=schema, words="$1", counts="$2")
        words = Words()
        while rows := [values(doc, words) for doc in islice(source, COPY_ROWS)]:
            await conn.copy_records_to_table(_STAGE, records=rows, columns=_NAMES)
            status = await conn.execute(_insert(schema, _STAGE))
            written += int(status.rpartition(" ")[2])
            await conn.execute(f"TRUNCATE {_STAGE}")
        await conn.execute(learn, *words.arrays())
        await conn.execute(f"DROP TABLE {_STAGE}")
    return written


async def refresh_vocabulary(
    conn: Connection[Any] | PoolConnectionProxy[Any], schema: str = "catalog"
) -> int:
    """Count every word afresh and forget words no document holds; the size of the vocabulary.

    About 4 s per 100,000 documents: a nightly job.
    """
    async with _transaction(conn):
        await conn.execute(f"DELETE FROM {schema}.search_vocabulary")
        status: str = await conn.execute(
            f"""
            INSERT INTO {schema}.search_vocabulary (word, documents)
            SELECT word, ndoc FROM ts_stat('SELECT doc FROM {schema}.search_documents')
            WHERE length(word) BETWEEN 4 AND 40 AND word !~ '[0-9]' ORDER BY word"""
        )
    return int(status.rpartition(" ")[2])


def columns_of(documents: Sequence[ListingDocument]) -> list[Sequence[object]]:
    """The arguments of :func:`upsert_sql`: a list per staged column, then words and counts."""
    words = Words()
    rows = [values(doc, words) for doc in documents]
    return [*(list(column) for column in zip(*rows, strict=True)), *words.arrays()]
