-- Disputes: a machine of their own beside the order's. The money never leaves the order.

CREATE TABLE deals.disputes (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    order_id uuid NOT NULL REFERENCES deals.orders,
    process_version int NOT NULL,
    state text NOT NULL,
    version int NOT NULL DEFAULT 1,
    claimant_id uuid NOT NULL REFERENCES people.members,
    respondent_id uuid NOT NULL REFERENCES people.members,
    claimant_role text NOT NULL CHECK (claimant_role IN ('customer', 'provider')),
    reason_code text NOT NULL CHECK (reason_code ~ '^[a-z_]{2,40}$'),
    statement text NOT NULL CHECK (length(statement) BETWEEN 1 AND 5000),
    -- What waited when it was opened, gross; `sold`: it waits for the hold period of a sale.
    held bigint NOT NULL CHECK (held BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    sold boolean NOT NULL,
    undelivered boolean NOT NULL, -- left alone, the order would give everything back
    bonds jsonb NOT NULL DEFAULT '{}', -- bond to amount
    request jsonb NOT NULL,
    money_until timestamptz NOT NULL, -- the end of the order's hold
    opened_at timestamptz NOT NULL,
    entered_at timestamptz NOT NULL,
    staff_id uuid REFERENCES people.members, -- who has the case now
    ruled_by uuid REFERENCES people.members,
    ruling jsonb,
    outcome jsonb,
    ended_at timestamptz,
    CONSTRAINT disputes_once_each UNIQUE (order_id, claimant_id),
    CONSTRAINT disputes_two_people CHECK (claimant_id <> respondent_id),
    CONSTRAINT disputes_outcome CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT disputes_ruled CHECK ((ruling IS NULL) = (ruled_by IS NULL))
);
CREATE UNIQUE INDEX disputes_one_at_a_time ON deals.disputes (order_id) WHERE ended_at IS NULL;
CREATE INDEX disputes_by_claimant ON deals.disputes (claimant_id, id);
CREATE INDEX disputes_by_respondent ON deals.disputes (respondent_id, id);
CREATE INDEX disputes_with_staff ON deals.disputes (state) WHERE ended_at IS NULL;

CREATE TABLE deals.dispute_timers (
    dispute_id uuid NOT NULL REFERENCES deals.disputes,
    transition text NOT NULL,
    due_at timestamptz NOT NULL,
    remind_at timestamptz,
    attempts int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    PRIMARY KEY (dispute_id, transition)
);
CREATE INDEX dispute_timers_due ON deals.dispute_timers (due_at);
CREATE INDEX dispute_timers_to_remind ON deals.dispute_timers (remind_at) WHERE remind_at IS NOT NULL;

-- The timeline, which both parties read: every move, and whatever staff have looked at. Never changed.
CREATE TABLE deals.dispute_moves (
    dispute_id uuid NOT NULL REFERENCES deals.disputes,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    transition text NOT NULL CHECK (transition ~ '^[a-z_]{2,40}$'),
    from_state text,
    to_state text NOT NULL,
    actor_id uuid,
    role text NOT NULL CHECK (role IN ('claimant', 'respondent', 'staff', 'system')),
    at timestamptz NOT NULL,
    note text,
    body jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (dispute_id, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deals.dispute_moves
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- What one side offers, or the staff propose. One stands at a time.
CREATE TABLE deals.dispute_offers (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    dispute_id uuid NOT NULL REFERENCES deals.disputes,
    by_id uuid NOT NULL REFERENCES people.members,
    role text NOT NULL CHECK (role IN ('claimant', 'respondent', 'staff')),
    split jsonb NOT NULL,
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'accepted', 'declined', 'replaced', 'over')),
    agreed_by uuid[] NOT NULL DEFAULT '{}',
    made_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL
);
CREATE UNIQUE INDEX dispute_offers_one_live ON deals.dispute_offers (dispute_id) WHERE state = 'live';
CREATE INDEX dispute_offers_by_dispute ON deals.dispute_offers (dispute_id, id);

-- What somebody shows. The hash is of the content, so the same thing is not shown twice and is known
-- again; a file itself stays with whoever has it. Only ever added.
CREATE TABLE deals.dispute_evidence (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    dispute_id uuid NOT NULL REFERENCES deals.disputes,
    by_id uuid NOT NULL REFERENCES people.members,
    role text NOT NULL CHECK (role IN ('claimant', 'respondent', 'staff')),
    kind text NOT NULL CHECK (kind IN ('text', 'upload', 'event_log', 'chat')),
    visible_to text NOT NULL CHECK (visible_to IN ('both', 'staff')),
    title text NOT NULL DEFAULT '' CHECK (length(title) <= 200),
    content jsonb NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    shown_in text NOT NULL, -- the dispute's state: an appeal needs what was shown after the ruling
    at timestamptz NOT NULL,
    CONSTRAINT dispute_evidence_once UNIQUE (dispute_id, sha256)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deals.dispute_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

GRANT SELECT, INSERT, UPDATE (staff_id, ruled_by, ruling, outcome, ended_at) ON deals.disputes TO handsel_app;
GRANT SELECT ON deals.dispute_timers, deals.dispute_moves TO handsel_app;
GRANT SELECT, INSERT, UPDATE (state, agreed_by) ON deals.dispute_offers TO handsel_app;
GRANT SELECT, INSERT ON deals.dispute_evidence TO handsel_app;

-- A line of the timeline, and the timers of the state that it leads to. Without timers the dispute
-- stays where it is and they go on, but for the one that has just run.
CREATE FUNCTION deals.move_dispute(
    p_dispute uuid, p_version int, p_transition text, p_from text, p_to text, p_actor uuid,
    p_role text, p_note text, p_body jsonb,
    p_timers text[], p_dues timestamptz[], p_reminders timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
BEGIN
    UPDATE deals.disputes SET state = p_to, version = version + 1,
        entered_at = CASE WHEN p_timers IS NULL THEN entered_at ELSE at END
     WHERE id = p_dispute AND version = p_version AND state = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dispute_changed' USING ERRCODE = 'HS001', DETAIL = 'somebody else moved first';
    END IF;
    INSERT INTO deals.dispute_moves (dispute_id, transition, from_state, to_state, actor_id, role, at, note, body)
    VALUES (p_dispute, p_transition, p_from, p_to, p_actor, p_role, at, p_note, p_body);
    DELETE FROM deals.dispute_timers WHERE dispute_id = p_dispute
       AND (p_timers IS NOT NULL OR transition = p_transition);
    INSERT INTO deals.dispute_timers (dispute_id, transition, due_at, remind_at)
    SELECT p_dispute, t.name, t.due, t.remind
      FROM unnest(p_timers, p_dues, p_reminders) AS t (name, due, remind);
END $$;

-- A line that is no move: what was shown, and what staff have looked at.
CREATE FUNCTION deals.note_dispute(
    p_dispute uuid, p_what text, p_actor uuid, p_role text, p_note text, p_body jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.dispute_moves (dispute_id, transition, from_state, to_state, actor_id, role, at, note, body)
    SELECT d.id, p_what, d.state, d.state, p_actor, p_role, foundation.handsel_now(), p_note, p_body
      FROM deals.disputes d WHERE d.id = p_dispute
$$;

-- The first line and the first timers.
CREATE FUNCTION deals.begin_dispute(
    p_dispute uuid, p_state text, p_actor uuid, p_note text,
    p_timers text[], p_dues timestamptz[], p_reminders timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.dispute_moves (dispute_id, transition, to_state, actor_id, role, at, note)
    VALUES (p_dispute, 'open', p_state, p_actor, 'claimant', foundation.handsel_now(), p_note);
    INSERT INTO deals.dispute_timers (dispute_id, transition, due_at, remind_at)
    SELECT p_dispute, t.name, t.due, t.remind
      FROM unnest(p_timers, p_dues, p_reminders) AS t (name, due, remind)
$$;

CREATE FUNCTION deals.due_disputes(p_limit int) RETURNS TABLE (dispute_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    SELECT s.dispute_id FROM (
        SELECT t.dispute_id, t.due_at FROM deals.dispute_timers t
         WHERE t.due_at <= foundation.handsel_now() AND (t.retry_at IS NULL OR t.retry_at <= now())
         ORDER BY t.due_at LIMIT p_limit) AS s
     GROUP BY s.dispute_id ORDER BY min(s.due_at)
$$;

-- As with orders: from a second to ten minutes, by the machine's clock, for ever.
CREATE FUNCTION deals.postpone_dispute(p_dispute uuid) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.dispute_timers t SET attempts = t.attempts + 1,
        retry_at = now() + least(interval '1 second' * 2 ^ least(t.attempts, 10), interval '10 minutes')
     WHERE t.dispute_id = p_dispute RETURNING t.attempts
$$;

CREATE FUNCTION deals.take_dispute_reminders(p_limit int) RETURNS TABLE (dispute_id uuid, transition text, due_at timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.dispute_timers t SET remind_at = NULL
      FROM (SELECT d.dispute_id, d.transition FROM deals.dispute_timers d
             WHERE d.remind_at <= foundation.handsel_now()
             ORDER BY d.remind_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due
     WHERE t.dispute_id = due.dispute_id AND t.transition = due.transition
    RETURNING t.dispute_id, t.transition, t.due_at
$$;

REVOKE EXECUTE ON FUNCTION deals.move_dispute, deals.note_dispute, deals.begin_dispute,
    deals.due_disputes, deals.postpone_dispute, deals.take_dispute_reminders FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.move_dispute, deals.note_dispute, deals.begin_dispute,
    deals.due_disputes, deals.postpone_dispute, deals.take_dispute_reminders TO handsel_app;

-- Money that goes back after a sale ----------------------------------------------------------------

INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('sale_refund', 'frees', 'a part of a sale that waited went back to its payer'),
    ('sale_refund_card', 'source', 'the same, as far as it had come by card');

-- What of a resolved hold went back to the payer afterwards: out of what waits for the seller, and
-- the fee on it. The hold stays resolved as it was: its own transfers are not rewritten.
ALTER TABLE money.holds ADD COLUMN undone bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT holds_undone CHECK (undone BETWEEN 0 AND released + fee);

-- Once for a hold. What had come by card goes back as card money, first, as when a hold is split:
-- or a sale undone would turn cards into cash.
CREATE FUNCTION money.refund_pending(
    p_hold uuid, p_pending bigint, p_fee bigint, p_fund_share bigint, p_fee_tax bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    house CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    held money.holds;
    back bigint := p_pending + p_fee + p_fund_share + p_fee_tax;
    carded bigint;
    leg record;
    debits uuid[] := '{}';
    amounts bigint[] := '{}';
    codes text[] := '{}';
BEGIN
    SELECT * INTO held FROM money.holds WHERE id = p_hold FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_hold' USING ERRCODE = 'HS001', DETAIL = 'there is no such hold';
    ELSIF held.disputed_at IS NOT NULL THEN
        RAISE EXCEPTION 'payment_disputed' USING ERRCODE = 'HS001';
    ELSIF held.undone > 0 THEN
        RAISE EXCEPTION 'sale_undone_already' USING ERRCODE = 'HS001';
    ELSIF least(p_pending, p_fee, p_fund_share, p_fee_tax) < 0 OR back < 1 THEN
        RAISE EXCEPTION 'invalid_amount' USING ERRCODE = 'HS001';
    ELSIF p_pending > held.pending OR p_fee + p_fund_share + p_fee_tax > held.fee THEN
        RAISE EXCEPTION 'nothing_pending' USING ERRCODE = 'HS001',
            DETAIL = format('%s wait, and %s were the fee', held.pending, held.fee);
    END IF;
    -- Card money that came into the hold and has not gone back out of it.
    SELECT least(back, coalesce(sum(l.after - l.before) FILTER (
               WHERE l.code IN ('hold', 'refund', 'partial_refund')), 0)) INTO carded FROM (
        SELECT s.code, s.after, lag(s.after, 1, 0::bigint) OVER (ORDER BY s.seq) AS before FROM (
            SELECT t.seq, t.code, t.credit_restricted AS after FROM money.transfers t
             WHERE t.credit_account = held.escrow_account AND t.hold_id = p_hold
            UNION ALL
            SELECT t.seq, t.code, t.debit_restricted FROM money.transfers t
             WHERE t.debit_account = held.escrow_account AND t.hold_id = p_hold) AS s) AS l;
    FOR leg IN
        SELECT * FROM (VALUES
            (1, money.account_id('pending', held.reference_id, held.unit), p_pending),
            (2, money.account_id('fee', house, held.unit), p_fee),
            (3, money.account_id('protection_fund', house, held.unit), p_fund_share),
            (4, money.account_id('fee_tax', house, held.unit), p_fee_tax)) AS v (n, account, amount)
         WHERE v.amount > 0 ORDER BY v.n
    LOOP
        IF carded > 0 THEN
            debits := debits || leg.account;
            amounts := amounts || least(leg.amount, carded);
            codes := codes || 'sale_refund_card'::text;
        END IF;
        IF leg.amount > carded THEN
            debits := debits || leg.account;
            amounts := amounts || (leg.amount - carded);
            codes := codes || 'sale_refund'::text;
        END IF;
        carded := carded - least(leg.amount, carded);
    END LOOP;
    UPDATE money.holds SET pending = pending - p_pending, undone = back WHERE id = p_hold;
    PERFORM money.post(debits, array_fill(held.payer_account, ARRAY[cardinality(debits)]), amounts,
        array_fill(held.unit, ARRAY[cardinality(debits)]), codes, held.reference_id);
END $$;
REVOKE EXECUTE ON FUNCTION money.refund_pending FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.refund_pending TO handsel_app;
