"""Tables of the PostgreSQL engine, to be frozen in a migration.

Needs the extensions cube, earthdistance and pg_trgm in the search path; created elsewhere.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("DDL", "ddl", "ddl_drop")

_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def ddl(schema: str = "catalog") -> tuple[str, ...]:
    """The statements, one each, that create the two tables and their indexes in a schema.

    Raises:
        ValueError: not a plain lower-case schema name.
    """
    if not _SCHEMA.fullmatch(schema):
        raise ValueError("schema must be a plain lower-case name")
    return tuple(statement.format(schema=schema).strip() for statement in _STATEMENTS)


def ddl_drop(schema: str = "catalog") -> tuple[str, ...]:
    """The statements that remove what :func:`ddl` created."""
    if not _SCHEMA.fullmatch(schema):
        raise ValueError("schema must be a plain lower-case name")
    return (f"DROP TABLE {schema}.search_documents", f"DROP TABLE {schema}.search_vocabulary")


_STATEMENTS: Final = (
    """
CREATE TABLE {schema}.search_documents (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 0),
    seller_id text NOT NULL,
    storefront_id text NOT NULL,
    kind text NOT NULL,
    category text NOT NULL,
    pack text NOT NULL,
    lang text,
    unit text NOT NULL,
    price_minor bigint CHECK (price_minor >= 0),
    currency text NOT NULL,
    fulfilment text[] NOT NULL CHECK (cardinality(fulfilment) > 0),
    lat double precision CHECK (lat BETWEEN -90 AND 90),
    lon double precision CHECK (lon BETWEEN -180 AND 180),
    pos cube,
    service_radius_m integer,
    live boolean NOT NULL,
    conduct_band smallint CHECK (conduct_band BETWEEN 0 AND 4),
    identity_tier smallint NOT NULL CHECK (identity_tier BETWEEN 0 AND 5),
    verified_facts text[] NOT NULL,
    response_rate double precision CHECK (response_rate BETWEEN 0 AND 1),
    settled_count integer NOT NULL CHECK (settled_count >= 0),
    created_at timestamptz NOT NULL,
    doc tsvector NOT NULL,
    CHECK (num_nulls(lat, lon, pos) IN (0, 3))
)
""",
    (
        "COMMENT ON TABLE {schema}.search_documents IS"
        " 'Search index of listings: derived, public facts only; lat, lon and pos are the published"
        " point, pos = ll_to_earth(lat, lon)'"
    ),
    "CREATE INDEX search_documents_doc ON {schema}.search_documents USING gin (doc) WHERE live",
    "CREATE INDEX search_documents_pos ON {schema}.search_documents USING gist (pos) WHERE live",
    (
        "CREATE INDEX search_documents_newest ON {schema}.search_documents (created_at DESC, id)"
        " WHERE live"
    ),
    (
        "CREATE INDEX search_documents_price ON {schema}.search_documents"
        " (currency, coalesce(price_minor, 9223372036854775807), id) WHERE live"
    ),
    """
CREATE TABLE {schema}.search_vocabulary (
    word text PRIMARY KEY CHECK (length(word) BETWEEN 4 AND 40),
    documents integer NOT NULL CHECK (documents > 0)
)
""",
    (
        "COMMENT ON TABLE {schema}.search_vocabulary IS"
        " 'Words without digits found in search_documents, for typo tolerance;"
        " documents is exact after refresh_vocabulary'"
    ),
    (
        "CREATE INDEX search_vocabulary_near ON {schema}.search_vocabulary"
        " USING gist (word gist_trgm_ops (siglen = 64))"
    ),
)

DDL: Final = ddl()
