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

-- What the two agree on while the money is held.
CREATE TABLE deals.proposals (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES deals.orders,
    kind text NOT NULL CHECK (kind IN ('split', 'change')),
    role text NOT NULL CHECK (role IN ('customer', 'provider')),
    amount_minor bigint CHECK (amount_minor > 0),
    customer_minor bigint CHECK (customer_minor >= 0),
    due_at timestamptz,
    note text NOT NULL CHECK (length(note) <= 2000),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'over')),
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX proposals_one_of_each ON deals.proposals (order_id, kind, role) WHERE state = 'open';

CREATE FUNCTION deals.propose(
    p_id uuid, p_order uuid, p_kind text, p_role text, p_amount bigint, p_customer bigint,
    p_due timestamptz, p_note text, p_expires timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
BEGIN
    UPDATE deals.proposals SET state = 'over'
     WHERE order_id = p_order AND kind = p_kind AND role = p_role AND state = 'open';
    INSERT INTO deals.proposals (id, order_id, kind, role, amount_minor, customer_minor, due_at, note,
        made_at, expires_at)
    VALUES (p_id, p_order, p_kind, p_role, p_amount, p_customer, p_due, p_note,
        foundation.handsel_now(), p_expires);
END $$;

CREATE FUNCTION deals.close_proposals(p_order uuid, p_accepted uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.proposals SET state = CASE id WHEN p_accepted THEN 'accepted' ELSE 'over' END
     WHERE order_id = p_order AND state = 'open'
$$;

-- Other terms, as the two have agreed. The move that follows in the same statement counts the version.
CREATE FUNCTION deals.amend_order(
    p_order uuid, p_amount bigint, p_refunded bigint, p_terms jsonb, p_terms_hash bytea,
    p_due timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.orders SET amount = p_amount, refunded_minor = p_refunded, terms = p_terms,
           terms_hash = p_terms_hash, due_at = p_due
     WHERE id = p_order
$$;

-- Codes that one side shows and the other enters.
CREATE TABLE deals.codes (
    order_id uuid NOT NULL REFERENCES deals.orders,
    purpose text NOT NULL CHECK (purpose ~ '^[a-z_]{2,40}$'),
    holder text NOT NULL CHECK (holder IN ('customer', 'provider')),
    code text NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (order_id, purpose)
);

CREATE FUNCTION deals.issue_code(p_order uuid, p_purpose text, p_holder text, p_code text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.codes (order_id, purpose, holder, code, made_at)
    VALUES (p_order, p_purpose, p_holder, p_code, foundation.handsel_now())
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION deals.use_code(p_order uuid, p_purpose text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.codes SET used_at = foundation.handsel_now()
     WHERE order_id = p_order AND purpose = p_purpose
$$;

CREATE FUNCTION deals.count_wrong_code(p_order uuid, p_purpose text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.codes SET attempts = attempts + 1 WHERE order_id = p_order AND purpose = p_purpose
$$;

-- To lock a code's row the application needs UPDATE on one column: the one that cannot do harm.
GRANT SELECT ON deals.proposals TO handsel_app;
GRANT SELECT, UPDATE (made_at) ON deals.codes TO handsel_app;
REVOKE EXECUTE ON FUNCTION deals.propose, deals.close_proposals, deals.amend_order, deals.issue_code,
    deals.use_code, deals.count_wrong_code FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.propose, deals.close_proposals, deals.amend_order, deals.issue_code,
    deals.use_code, deals.count_wrong_code TO handsel_app;

-- More money for an open hold, from its payer.
CREATE FUNCTION money.raise_hold(p_hold uuid, p_amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds := money.lock_hold(p_hold);
BEGIN
    IF held.disputed_at IS NOT NULL THEN
        RAISE EXCEPTION 'payment_disputed' USING ERRCODE = 'HS001';
    END IF;
    UPDATE money.holds SET amount = amount + p_amount WHERE id = p_hold;
    PERFORM money.post(ARRAY[held.payer_account], ARRAY[held.escrow_account], ARRAY[p_amount],
        ARRAY[held.unit], ARRAY['hold'], held.reference_id, p_hold);
END $$;
REVOKE EXECUTE ON FUNCTION money.raise_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.raise_hold TO handsel_app;

-- A raised price is an exposure of its own, in its own time; it ends with the payment it adds to.
ALTER TABLE people.exposures ADD COLUMN part_of uuid REFERENCES people.exposures;
CREATE INDEX exposures_of_parts ON people.exposures (part_of) WHERE part_of IS NOT NULL;

CREATE FUNCTION people.add_exposure(p_reference uuid, p_to uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    UPDATE people.exposures e SET part_of = w.reference_id FROM people.exposures w
     WHERE e.reference_id = p_reference AND w.reference_id = p_to AND w.state = 'reserved'
       AND (e.payer_id, e.payee_id, e.currency) = (w.payer_id, w.payee_id, w.currency);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'exposure_not_reserved' USING ERRCODE = 'HS001',
            DETAIL = 'there is no reserved payment to add to';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION people.add_exposure FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.add_exposure TO handsel_app;

-- Whatever becomes of a payment becomes of what was added to it.
CREATE FUNCTION people.follow_exposure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    UPDATE people.exposures e SET state = NEW.state, resolved_at = NEW.resolved_at
     WHERE e.part_of = NEW.reference_id AND e.state = 'reserved';
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION people.follow_exposure FROM PUBLIC;
CREATE TRIGGER parts_follow AFTER UPDATE OF state ON people.exposures
    FOR EACH ROW WHEN (NEW.part_of IS NULL AND OLD.state = 'reserved' AND NEW.state <> 'reserved')
    EXECUTE FUNCTION people.follow_exposure();

-- The soonest timers by their index, however many are due: sorting all of them for each two hundred
-- cost a sweep of 100,000 more than what it moved. An order with two of them comes once.
CREATE OR REPLACE FUNCTION deals.due_orders(p_limit int) RETURNS TABLE (order_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    SELECT s.order_id FROM (
        SELECT t.order_id, t.due_at FROM deals.timers t
         WHERE t.due_at <= foundation.handsel_now() AND (t.retry_at IS NULL OR t.retry_at <= now())
         ORDER BY t.due_at LIMIT p_limit) AS s
     GROUP BY s.order_id ORDER BY min(s.due_at)
$$;
