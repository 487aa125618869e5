"""The outbox's table and its write function, as text for the migration that creates them."""

from handsel.foundation.db.pool import APP_ROLE

STATEMENTS: tuple[str, ...] = (
    "CREATE SCHEMA IF NOT EXISTS foundation;",
    """
CREATE TABLE foundation.outbox (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    topic text NOT NULL CHECK (topic <> ''),
    aggregate_id uuid NOT NULL,
    payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    relayed_at timestamptz
);
""",
    "CREATE INDEX outbox_unrelayed ON foundation.outbox (id) WHERE relayed_at IS NULL;",
    """
CREATE INDEX outbox_relayed_at ON foundation.outbox (relayed_at) WHERE relayed_at IS NOT NULL;
""",
    # One call for all events of a transaction. plpgsql and not sql: it keeps its plan on every
    # version of PostgreSQL. Arrays of unequal length fail on NOT NULL.
    """
CREATE FUNCTION foundation.record_events(topics text[], aggregate_ids uuid[], payloads jsonb[])
RETURNS integer LANGUAGE plpgsql SET search_path = foundation, pg_temp AS $$
DECLARE recorded integer;
BEGIN
    INSERT INTO foundation.outbox (topic, aggregate_id, payload, occurred_at)
    SELECT event.topic, event.aggregate_id, event.payload, foundation.handsel_now()
    FROM unnest(topics, aggregate_ids, payloads)
        WITH ORDINALITY AS event (topic, aggregate_id, payload, ord)
    ORDER BY event.ord;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    RETURN recorded;
END;
$$;
""",
)

#: All of it as one text, for a connection that takes several statements at once.
DDL = "\n".join(statement.strip() for statement in STATEMENTS)

#: The application records, relays and prunes; it never rewrites what happened.
GRANTS: tuple[str, ...] = (
    f"GRANT USAGE ON SCHEMA foundation TO {APP_ROLE};",
    f"GRANT SELECT, INSERT, DELETE, UPDATE (relayed_at) ON foundation.outbox TO {APP_ROLE};",
    f"GRANT EXECUTE ON FUNCTION foundation.record_events TO {APP_ROLE};",
)

DROP: tuple[str, ...] = (
    "DROP FUNCTION foundation.record_events;",
    "DROP TABLE foundation.outbox;",
)
