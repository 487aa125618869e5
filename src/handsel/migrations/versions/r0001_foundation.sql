-- Functions are PL/pgSQL with a fixed search_path: SECURITY DEFINER must not look a name up where
-- the caller says.

DO $shim$ BEGIN
    IF current_setting('server_version_num')::int < 180000 THEN
        CREATE FUNCTION public.uuidv7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
            SELECT encode(
                set_bit(set_bit(
                    overlay(uuid_send(gen_random_uuid())
                        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                        FROM 1 FOR 6),
                    52, 1), 53, 1), 'hex')::uuid
        $$;
    END IF;
END $shim$;

GRANT USAGE ON SCHEMA foundation TO handsel_app;
-- /readyz compares the schema with what the program needs.
GRANT SELECT ON foundation.alembic_version TO handsel_app;

-- One clock for SQL, sweeps and Python. The offset moves only in sandbox mode, and only forward: a
-- sample town begins in the past and has lived its history when it arrives at the present.
CREATE TABLE foundation.clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ahead interval NOT NULL DEFAULT '0'
);
INSERT INTO foundation.clock DEFAULT VALUES;
GRANT SELECT ON foundation.clock TO handsel_app;

-- The search_path is set although nothing needs it: a cached plan belongs to the path it was made
-- under, and functions with other paths call this one by turns; each turn would plan again.
CREATE FUNCTION foundation.handsel_now() RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = foundation, pg_temp AS $$
BEGIN
    RETURN now() + (SELECT ahead FROM foundation.clock);
END $$;

CREATE FUNCTION foundation.advance_clock(p_by interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
BEGIN
    UPDATE foundation.clock SET ahead = ahead + p_by;
    RETURN foundation.handsel_now();
END $$;

-- Answers by Idempotency-Key. A claim is an advisory lock, so a request that died has claimed
-- nothing; the row appears with the effect, in the same transaction.
CREATE TABLE foundation.answers (
    principal uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256 bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, route, key)
);
CREATE INDEX answers_by_age ON foundation.answers (created_at);
GRANT SELECT, DELETE ON foundation.answers TO handsel_app;

CREATE FUNCTION foundation.claim_answer(
    p_principal uuid, p_route text, p_key text,
    OUT business_time timestamptz, OUT claimed boolean,
    OUT request_sha256 bytea, OUT status smallint, OUT headers jsonb, OUT body bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
BEGIN
    business_time := foundation.handsel_now();
    claimed := pg_try_advisory_xact_lock(hashtextextended(p_principal || p_route || p_key, 71));
    SELECT a.request_sha256, a.status, a.headers, a.body
      INTO request_sha256, status, headers, body
      FROM foundation.answers a
     WHERE a.principal = p_principal AND a.route = p_route AND a.key = p_key;
END $$;

CREATE FUNCTION foundation.store_answer(
    p_principal uuid, p_route text, p_key text, p_request_sha256 bytea,
    p_status smallint, p_headers jsonb, p_body bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
BEGIN
    INSERT INTO foundation.answers (principal, route, key, request_sha256, status, headers, body)
    VALUES (p_principal, p_route, p_key, p_request_sha256, p_status, p_headers, p_body);
END $$;

-- The audit chain. An entry is written in the transaction of what it tells of; its link in the
-- chain is forged afterwards, off the hot path, in commit order, under the lock of the head row.
CREATE TABLE foundation.audit_entries (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    stream text NOT NULL,
    subject_id uuid,
    actor_id uuid,
    action text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX audit_entries_by_subject ON foundation.audit_entries (subject_id, id);
CREATE TABLE foundation.audit_unsealed (entry_id uuid PRIMARY KEY);
CREATE TABLE foundation.audit_seals (
    seq bigint PRIMARY KEY,
    entry_id uuid NOT NULL UNIQUE REFERENCES foundation.audit_entries,
    hash bytea NOT NULL
);
CREATE TABLE foundation.audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO foundation.audit_head (seq, hash) VALUES (0, sha256('handsel'));
GRANT SELECT ON foundation.audit_entries, foundation.audit_unsealed, foundation.audit_seals,
    foundation.audit_head TO handsel_app;

CREATE FUNCTION foundation.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of %.% are never changed', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = '42501';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON foundation.audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON foundation.audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

CREATE FUNCTION foundation.record_audit(
    p_streams text[], p_subjects uuid[], p_actors uuid[], p_actions text[], p_bodies jsonb[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
BEGIN
    WITH entry AS (
        INSERT INTO foundation.audit_entries (stream, subject_id, actor_id, action, body, at)
        SELECT e.stream, e.subject, e.actor, e.action, e.body, foundation.handsel_now()
          FROM unnest(p_streams, p_subjects, p_actors, p_actions, p_bodies)
               AS e (stream, subject, actor, action, body)
        RETURNING id)
    INSERT INTO foundation.audit_unsealed SELECT id FROM entry;
END $$;

CREATE FUNCTION foundation.audit_hash(p_previous bytea, p_seq bigint, p_entry foundation.audit_entries)
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(p_previous || convert_to(jsonb_build_array(
        p_seq, p_entry.id, p_entry.stream, p_entry.subject_id, p_entry.actor_id, p_entry.action,
        p_entry.body, extract(epoch FROM p_entry.at))::text, 'UTF8'))
$$;

CREATE FUNCTION foundation.seal_audit(p_limit int DEFAULT 1000) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
DECLARE
    head foundation.audit_head;
    entry foundation.audit_entries;
    sealed int := 0;
BEGIN
    SELECT * INTO head FROM foundation.audit_head FOR UPDATE;
    FOR entry IN
        SELECT e.* FROM foundation.audit_unsealed u JOIN foundation.audit_entries e ON e.id = u.entry_id
         ORDER BY e.id LIMIT p_limit
    LOOP
        head.seq := head.seq + 1;
        head.hash := foundation.audit_hash(head.hash, head.seq, entry);
        INSERT INTO foundation.audit_seals VALUES (head.seq, entry.id, head.hash);
        DELETE FROM foundation.audit_unsealed WHERE entry_id = entry.id;
        sealed := sealed + 1;
    END LOOP;
    UPDATE foundation.audit_head SET seq = head.seq, hash = head.hash;
    RETURN sealed;
END $$;

-- The first links at which the chain no longer follows from the entries.
CREATE FUNCTION foundation.audit_breaks(p_limit int DEFAULT 10)
RETURNS TABLE (seq bigint, entry_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
    SELECT link.seq, link.entry_id FROM (
        SELECT s.seq, s.entry_id, s.hash,
               lag(s.hash, 1, sha256('handsel')) OVER (ORDER BY s.seq) AS previous,
               s.seq - lag(s.seq, 1, 0::bigint) OVER (ORDER BY s.seq) AS step
          FROM foundation.audit_seals s) AS link
    JOIN foundation.audit_entries e ON e.id = link.entry_id
    WHERE link.step <> 1 OR link.hash <> foundation.audit_hash(link.previous, link.seq, e)
    UNION ALL
    SELECT h.seq, NULL FROM foundation.audit_head h
     WHERE h.seq <> (SELECT coalesce(max(s.seq), 0) FROM foundation.audit_seals s)
        OR (h.seq > 0 AND NOT EXISTS (
            SELECT FROM foundation.audit_seals s WHERE s.seq = h.seq AND s.hash = h.hash))
    ORDER BY 1 LIMIT p_limit
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA foundation FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA foundation TO handsel_app;
