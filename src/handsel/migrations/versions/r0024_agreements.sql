-- Jobs whose price is found together. Until there is an offer there is no price.
ALTER TABLE deals.orders DROP CONSTRAINT IF EXISTS orders_amount_check;
ALTER TABLE deals.orders ADD CONSTRAINT orders_amount CHECK (
    amount BETWEEN 1 AND 1000000000000000 OR amount = 0 AND process = 'negotiated');

-- Offers and counter-offers: never changed. A round is the provider's offer and the customer's answer.
CREATE TABLE deals.offers (
    order_id uuid NOT NULL REFERENCES deals.orders,
    round int NOT NULL CHECK (round BETWEEN 1 AND 5),
    by_role text NOT NULL CHECK (by_role IN ('customer', 'provider')),
    author_id uuid NOT NULL REFERENCES people.members,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    terms jsonb NOT NULL,
    terms_hash bytea NOT NULL,
    valid_until timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, round, by_role)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deals.offers
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
GRANT SELECT ON deals.offers TO handsel_app;

CREATE FUNCTION deals.make_offer(
    p_order uuid, p_round int, p_role text, p_author uuid, p_amount bigint, p_terms jsonb,
    p_hash bytea, p_valid_until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.offers (order_id, round, by_role, author_id, amount, terms, terms_hash, valid_until, made_at)
    VALUES (p_order, p_round, p_role, p_author, p_amount, p_terms, p_hash, p_valid_until, foundation.handsel_now())
$$;

-- What is on the table is what the order says, until it is agreed. Then nothing changes it any more.
CREATE FUNCTION deals.set_terms(
    p_order uuid, p_version int, p_amount bigint, p_terms jsonb, p_hash bytea, p_due timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
BEGIN
    UPDATE deals.orders SET amount = p_amount, terms = p_terms, terms_hash = p_hash, due_at = p_due
     WHERE id = p_order AND version = p_version AND process = 'negotiated'
       AND state IN ('quote_requested', 'offer_pending', 'counter_pending');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'HS001', DETAIL = 'somebody else moved first';
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION deals.make_offer, deals.set_terms FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.make_offer, deals.set_terms TO handsel_app;

-- A series: its dates, the one mandate that its customer has given, and what was charged under it.
CREATE TABLE deals.occurrences (
    series_id uuid NOT NULL REFERENCES deals.orders,
    number int NOT NULL CHECK (number BETWEEN 1 AND 52),
    starts_at timestamptz NOT NULL,
    child_id uuid UNIQUE REFERENCES deals.orders,
    skipped_by text CHECK (skipped_by IN ('customer', 'provider', 'system')),
    tried_at timestamptz,
    charged_at timestamptz,
    PRIMARY KEY (series_id, number),
    UNIQUE (series_id, starts_at)
);
CREATE INDEX occurrences_waiting ON deals.occurrences (starts_at)
    WHERE charged_at IS NULL AND skipped_by IS NULL;

-- Bound to payee and unit, to a cap for each charge and for all, and to an end.
CREATE TABLE deals.mandates (
    series_id uuid PRIMARY KEY REFERENCES deals.orders,
    payer_id uuid NOT NULL REFERENCES people.members,
    payee_id uuid NOT NULL REFERENCES people.members,
    unit text NOT NULL REFERENCES money.units,
    each bigint NOT NULL CHECK (each >= 1),
    total bigint NOT NULL,
    charged bigint NOT NULL DEFAULT 0,
    ends_at timestamptz NOT NULL,
    given_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT mandates_kept CHECK (charged BETWEEN 0 AND total)
);

CREATE TABLE deals.mandate_charges (
    order_id uuid PRIMARY KEY REFERENCES deals.orders,
    series_id uuid NOT NULL REFERENCES deals.mandates,
    amount bigint NOT NULL CHECK (amount >= 1),
    at timestamptz NOT NULL
);
CREATE INDEX mandate_charges_by_series ON deals.mandate_charges (series_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deals.mandate_charges
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
GRANT SELECT ON deals.occurrences, deals.mandates, deals.mandate_charges TO handsel_app;

CREATE FUNCTION deals.plan_series(p_series uuid, p_starts timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.occurrences (series_id, number, starts_at)
    SELECT p_series, s.number, s.at FROM unnest(p_starts) WITH ORDINALITY AS s (at, number)
$$;

-- What the customer has confirmed, and nothing else: price, sum, payee and end of the series itself.
CREATE FUNCTION deals.give_mandate(p_series uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.mandates (series_id, payer_id, payee_id, unit, each, total, ends_at, given_at)
    SELECT o.id, o.customer_id, o.provider_id, o.unit, (o.terms->'price'->>'amount_minor')::bigint, o.amount,
           o.due_at, foundation.handsel_now()
      FROM deals.orders o WHERE o.id = p_series AND o.process = 'series'
$$;

CREATE FUNCTION deals.end_mandate(p_series uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.mandates SET ended_at = foundation.handsel_now() WHERE series_id = p_series AND ended_at IS NULL
$$;

-- Of an order, no more than the mandate covers, whoever asks: under the mandate's lock.
CREATE FUNCTION deals.charge_mandate(p_series uuid, p_order uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    o deals.orders;
BEGIN
    SELECT * INTO o FROM deals.orders WHERE id = p_order;
    PERFORM FROM deals.orders s WHERE s.id = p_series AND s.state = 'running' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'outside_mandate' USING ERRCODE = 'HS001', DETAIL = 'the series does not run';
    END IF;
    UPDATE deals.mandates m SET charged = m.charged + o.amount
     WHERE m.series_id = p_series AND o.parent_id = p_series AND m.ended_at IS NULL AND at <= m.ends_at
       AND m.payer_id = o.customer_id AND m.payee_id = o.provider_id AND m.unit = o.unit
       AND o.amount <= m.each AND m.charged + o.amount <= m.total;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'outside_mandate' USING ERRCODE = 'HS001',
            DETAIL = 'another payee, too much at once, too much in all, or too late';
    END IF;
    INSERT INTO deals.mandate_charges (order_id, series_id, amount, at) VALUES (p_order, p_series, o.amount, at);
    UPDATE deals.occurrences SET charged_at = at WHERE child_id = p_order;
END $$;

CREATE FUNCTION deals.skip_occurrence(p_series uuid, p_starts_at timestamptz, p_role text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.occurrences SET skipped_by = p_role WHERE series_id = p_series AND starts_at = p_starts_at
$$;

CREATE FUNCTION deals.note_opened(p_series uuid, p_number int, p_child uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.occurrences SET child_id = p_child WHERE series_id = p_series AND number = p_number AND child_id IS NULL
$$;

CREATE FUNCTION deals.note_tried(p_child uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.occurrences SET tried_at = foundation.handsel_now() WHERE child_id = p_child
$$;

REVOKE EXECUTE ON FUNCTION deals.plan_series, deals.give_mandate, deals.end_mandate, deals.charge_mandate,
    deals.skip_occurrence, deals.note_opened, deals.note_tried FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.plan_series, deals.give_mandate, deals.end_mandate, deals.charge_mandate,
    deals.skip_occurrence, deals.note_opened, deals.note_tried TO handsel_app;
