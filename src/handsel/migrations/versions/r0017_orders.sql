-- Orders of every process: without a listing, as part of another order, with more than one role.
ALTER TABLE deals.orders ALTER COLUMN listing_id DROP NOT NULL,
    ADD COLUMN parent_id uuid REFERENCES deals.orders;
CREATE INDEX orders_by_parent ON deals.orders (parent_id, id) WHERE parent_id IS NOT NULL;

DROP FUNCTION deals.open_order(uuid, text, int, text, uuid, uuid, uuid, bigint, text, jsonb, bytea,
    timestamptz, text[], timestamptz[], timestamptz[]);
-- Open an order: its row, its first move and its timers in one statement.
CREATE FUNCTION deals.open_order(
    p_order uuid, p_process text, p_process_version int, p_state text, p_customer uuid,
    p_provider uuid, p_listing uuid, p_parent uuid, p_amount bigint, p_unit text, p_terms jsonb,
    p_terms_hash bytea, p_due timestamptz, p_opener uuid, p_role text,
    p_timers text[], p_dues timestamptz[], p_reminders timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
BEGIN
    INSERT INTO deals.orders (id, process, process_version, state, customer_id, provider_id,
        listing_id, parent_id, amount, unit, terms, terms_hash, due_at, created_at, entered_at)
    VALUES (p_order, p_process, p_process_version, p_state, p_customer, p_provider,
        p_listing, p_parent, p_amount, p_unit, p_terms, p_terms_hash, p_due, at, at);
    INSERT INTO deals.moves (order_id, seq, transition, to_state, actor_id, role, at)
    VALUES (p_order, 1, 'initiate', p_state, p_opener, p_role, at);
    INSERT INTO deals.timers (order_id, transition, due_at, remind_at)
    SELECT p_order, t.name, t.due, t.remind
      FROM unnest(p_timers, p_dues, p_reminders) AS t (name, due, remind);
END $$;
REVOKE EXECUTE ON FUNCTION deals.open_order FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.open_order TO handsel_app;
