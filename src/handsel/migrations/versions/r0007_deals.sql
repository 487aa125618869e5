CREATE SCHEMA deals;
GRANT USAGE ON SCHEMA deals TO handsel_app;

CREATE TABLE deals.orders (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    process text NOT NULL,
    process_version int NOT NULL,
    state text NOT NULL,
    version int NOT NULL DEFAULT 1,
    customer_id uuid NOT NULL REFERENCES people.members,
    provider_id uuid NOT NULL REFERENCES people.members,
    listing_id uuid NOT NULL REFERENCES catalog.listings,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    -- Frozen at sale: what was bought, for how much, under which rules and fee. The hash is what a
    -- confirmation is bound to.
    terms jsonb NOT NULL,
    terms_hash bytea NOT NULL,
    due_at timestamptz NOT NULL,
    -- Set once, when the order is funded, from the tiers of that moment; a later score never
    -- shortens or lengthens it.
    hold_period interval,
    revocable_until timestamptz,
    net_minor bigint CHECK (net_minor >= 0),
    created_at timestamptz NOT NULL,
    entered_at timestamptz NOT NULL,
    CONSTRAINT orders_not_with_oneself CHECK (customer_id <> provider_id)
) WITH (fillfactor = 70); -- every move rewrites the row: room for it on its own page
CREATE INDEX orders_by_customer ON deals.orders (customer_id, id);
CREATE INDEX orders_by_provider ON deals.orders (provider_id, id);

CREATE TABLE deals.timers (
    order_id uuid NOT NULL REFERENCES deals.orders,
    transition text NOT NULL,
    due_at timestamptz NOT NULL,
    remind_at timestamptz,
    -- The move failed when its time came: how often, and when (machine time) to try again.
    attempts int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    PRIMARY KEY (order_id, transition)
);
CREATE INDEX timers_due ON deals.timers (due_at);
CREATE INDEX timers_failing ON deals.timers (attempts) WHERE attempts > 0;
CREATE INDEX timers_to_remind ON deals.timers (remind_at) WHERE remind_at IS NOT NULL;

-- The timeline: every move with who, when, why and what money moved. Never changed.
CREATE TABLE deals.moves (
    order_id uuid NOT NULL REFERENCES deals.orders,
    seq int NOT NULL,
    transition text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    actor_id uuid,
    role text NOT NULL CHECK (role IN ('customer', 'provider', 'system')),
    at timestamptz NOT NULL,
    note text,
    money jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (order_id, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deals.moves
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

CREATE TABLE deals.reviews (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    order_id uuid NOT NULL REFERENCES deals.orders,
    author_id uuid NOT NULL REFERENCES people.members,
    subject_id uuid NOT NULL REFERENCES people.members,
    role text NOT NULL CHECK (role IN ('customer', 'provider')),
    stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text text NOT NULL CHECK (length(text) <= 2000),
    created_at timestamptz NOT NULL,
    CONSTRAINT reviews_once UNIQUE (order_id, author_id)
);
CREATE INDEX reviews_by_subject ON deals.reviews (subject_id, id);

-- Open an order: its row, its first move and its timers in one statement.
CREATE FUNCTION deals.open_order(
    p_order uuid, p_process text, p_process_version int, p_state text, p_customer uuid,
    p_provider uuid, p_listing uuid, p_amount bigint, p_unit text, p_terms jsonb,
    p_terms_hash bytea, p_due timestamptz,
    p_timers text[], p_dues timestamptz[], p_reminders timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
BEGIN
    INSERT INTO deals.orders (id, process, process_version, state, customer_id, provider_id,
        listing_id, amount, unit, terms, terms_hash, due_at, created_at, entered_at)
    VALUES (p_order, p_process, p_process_version, p_state, p_customer, p_provider,
        p_listing, p_amount, p_unit, p_terms, p_terms_hash, p_due, at, at);
    INSERT INTO deals.moves (order_id, seq, transition, to_state, actor_id, role, at)
    VALUES (p_order, 1, 'initiate', p_state, p_customer, 'customer', at);
    INSERT INTO deals.timers (order_id, transition, due_at, remind_at)
    SELECT p_order, t.name, t.due, t.remind
      FROM unnest(p_timers, p_dues, p_reminders) AS t (name, due, remind);
END $$;

-- Move an order: compare-and-set on its version, so that of two movers one wins; the timers of the
-- old state end, those of the new one begin, and the move is written into the timeline.
CREATE FUNCTION deals.move_order(
    p_order uuid, p_version int, p_transition text, p_from text, p_to text, p_actor uuid,
    p_role text, p_note text, p_money jsonb,
    p_hold_period interval, p_revocable_until timestamptz, p_net bigint,
    p_timers text[], p_dues timestamptz[], p_reminders timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
BEGIN
    UPDATE deals.orders SET state = p_to, version = version + 1, entered_at = at,
        hold_period = coalesce(p_hold_period, hold_period),
        revocable_until = coalesce(p_revocable_until, revocable_until),
        net_minor = coalesce(p_net, net_minor)
     WHERE id = p_order AND version = p_version AND state = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'HS001', DETAIL = 'somebody else moved first';
    END IF;
    INSERT INTO deals.moves (order_id, seq, transition, from_state, to_state, actor_id, role, at, note, money)
    VALUES (p_order, p_version + 1, p_transition, p_from, p_to, p_actor, p_role, at, p_note, p_money);
    DELETE FROM deals.timers WHERE order_id = p_order;
    INSERT INTO deals.timers (order_id, transition, due_at, remind_at)
    SELECT p_order, t.name, t.due, t.remind
      FROM unnest(p_timers, p_dues, p_reminders) AS t (name, due, remind);
END $$;

-- Take the reminders that are due: each is given out once.
CREATE FUNCTION deals.take_reminders(p_limit int) RETURNS TABLE (order_id uuid, transition text, due_at timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.timers t SET remind_at = NULL
      FROM (SELECT d.order_id, d.transition FROM deals.timers d
             WHERE d.remind_at <= foundation.handsel_now()
             ORDER BY d.remind_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due
     WHERE t.order_id = due.order_id AND t.transition = due.transition
    RETURNING t.order_id, t.transition, t.due_at
$$;

CREATE FUNCTION deals.due_orders(p_limit int) RETURNS TABLE (order_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    SELECT t.order_id FROM deals.timers t
     WHERE t.due_at <= foundation.handsel_now() AND (t.retry_at IS NULL OR t.retry_at <= now())
     GROUP BY t.order_id ORDER BY min(t.due_at) LIMIT p_limit
$$;

-- From a second to ten minutes, by the machine's clock: a moved sandbox clock repairs nothing.
CREATE FUNCTION deals.postpone_timers(p_order uuid) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.timers t SET attempts = t.attempts + 1,
        retry_at = now() + least(interval '1 second' * 2 ^ least(t.attempts, 10), interval '10 minutes')
     WHERE t.order_id = p_order RETURNING t.attempts
$$;

-- To lock a row, PostgreSQL asks for UPDATE on one of its columns: the one that cannot do harm.
GRANT SELECT, UPDATE (process_version) ON deals.orders TO handsel_app;
GRANT SELECT ON deals.timers TO handsel_app;
GRANT SELECT ON deals.moves TO handsel_app;
GRANT SELECT, INSERT ON deals.reviews TO handsel_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA deals FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA deals TO handsel_app;
