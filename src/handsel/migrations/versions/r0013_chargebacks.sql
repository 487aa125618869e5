-- A chargeback: the payer's bank takes a card payment back. The rows say what the provider claims and
-- what it concerned; where the money went is told by the ledger alone, under the chargeback's id.
INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('dispute_taken', 'frees', 'the payer''s bank took a payment back'),
    ('dispute_fee', 'frees', 'what the provider asks for a dispute'),
    ('dispute_fee_returned', 'frees', 'the provider gave the fee of a dispute back'),
    ('dispute_returned', 'frees', 'the payer''s bank gave a payment back'),
    -- Card money and what is free are set aside apart, and each comes back as what it was.
    ('contest', 'carries', 'card money set aside while a chargeback runs'),
    ('contest_returned', 'carries', 'the chargeback was won: back where it came from'),
    ('contest_earned', 'frees', 'free money set aside while a chargeback runs'),
    ('contest_earned_returned', 'frees', 'the chargeback was won: back where it came from'),
    ('dispute_covered', 'frees', 'paid for a chargeback that was lost'),
    ('dispute_owed', 'frees', 'owed for a chargeback that was lost'),
    ('loss_recovered', 'frees', 'what the house had lost by a chargeback was found'),
    ('debt_repaid', 'frees', 'owed for too long, and paid by what was there'),
    ('written_off', 'frees', 'owed for too long');

-- What a chargeback has moved. Partial: an ordinary transfer is no part of it.
CREATE INDEX transfers_of_chargebacks ON money.transfers (reference_id) WHERE code IN (
    'dispute_taken', 'dispute_returned', 'contest', 'contest_returned', 'contest_earned',
    'contest_earned_returned', 'dispute_covered', 'dispute_owed');

ALTER TABLE money.top_ups ADD COLUMN disputed_at timestamptz;

CREATE TABLE money.chargebacks (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    provider_reference text NOT NULL UNIQUE CHECK (length(provider_reference) BETWEEN 1 AND 200),
    top_up_id uuid NOT NULL REFERENCES money.top_ups,
    member_id uuid NOT NULL REFERENCES people.members, -- whose card it was
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    reason text NOT NULL CHECK (length(reason) <= 100),
    -- Won and taken again is another round of the same dispute.
    round int NOT NULL DEFAULT 1 CHECK (round >= 1),
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'evidence_sent', 'won', 'lost', 'accepted')),
    accepted_at timestamptz, -- when those concerned gave it up; the provider still has to say so
    evidence_due_at timestamptz NOT NULL,
    evidence_ready_at timestamptz, -- complete, or so late that it goes as it is
    evidence_sent_at timestamptz,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    -- The provider's time of the newest event that was followed: what is older is stale.
    said_at timestamptz NOT NULL,
    CONSTRAINT chargebacks_decided CHECK (
        (state IN ('won', 'lost', 'accepted')) = (decided_at IS NOT NULL))
);
CREATE INDEX chargebacks_by_member ON money.chargebacks (member_id, id);
CREATE INDEX chargebacks_by_top_up ON money.chargebacks (top_up_id);
CREATE INDEX chargebacks_running ON money.chargebacks (evidence_due_at)
    WHERE state IN ('open', 'evidence_sent');

-- Where the money was when it was taken back, for each round. ``spent`` is the payer's to bear,
-- ``untraced`` the house's: what the provider took beyond what was left of the payment.
CREATE TABLE money.chargeback_parts (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    chargeback_id uuid NOT NULL REFERENCES money.chargebacks,
    round int NOT NULL,
    place text NOT NULL CHECK (place IN ('wallet', 'hold', 'spent', 'untraced')),
    hold_id uuid REFERENCES money.holds,
    seller_id uuid REFERENCES people.members, -- of a hold: known at once when it was released
    amount bigint NOT NULL CHECK (amount > 0),
    -- What of a hold's part came back to the payer since then, and was set aside at once.
    gone_back bigint NOT NULL DEFAULT 0 CHECK (gone_back BETWEEN 0 AND amount),
    facts jsonb, -- of the order, for the evidence
    CHECK ((place = 'hold') = (hold_id IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (chargeback_id, round, place, hold_id)
);
CREATE INDEX holds_disputed ON money.holds (id) WHERE disputed_at IS NOT NULL;
CREATE INDEX chargeback_parts_by_hold ON money.chargeback_parts (hold_id);
CREATE INDEX chargeback_parts_by_seller ON money.chargeback_parts (seller_id, chargeback_id);

CREATE TABLE money.chargeback_evidence (
    chargeback_id uuid NOT NULL REFERENCES money.chargebacks,
    round int NOT NULL,
    member_id uuid NOT NULL REFERENCES people.members,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 5000),
    at timestamptz NOT NULL,
    CONSTRAINT chargeback_evidence_once PRIMARY KEY (chargeback_id, round, member_id)
);

-- The timeline. Never changed.
CREATE TABLE money.chargeback_steps (
    chargeback_id uuid NOT NULL REFERENCES money.chargebacks,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    round int NOT NULL,
    step text NOT NULL CHECK (step ~ '^[a-z_]{2,40}$'),
    actor_id uuid,
    at timestamptz NOT NULL,
    PRIMARY KEY (chargeback_id, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.chargeback_steps
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

GRANT SELECT, INSERT, UPDATE ON money.chargebacks TO handsel_app;
GRANT SELECT, INSERT, UPDATE (seller_id, facts) ON money.chargeback_parts TO handsel_app;
GRANT SELECT, INSERT ON money.chargeback_evidence TO handsel_app;
GRANT SELECT ON money.chargeback_steps TO handsel_app;

CREATE FUNCTION money.note_chargeback(p_chargeback uuid, p_round int, p_step text, p_actor uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    INSERT INTO money.chargeback_steps (chargeback_id, round, step, actor_id, at)
    VALUES (p_chargeback, p_round, p_step, p_actor, foundation.handsel_now())
$$;

-- Lock holds in the order of their ids, as settling and releasing do.
CREATE FUNCTION money.lock_holds(p_holds uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT count(*) FROM (
        SELECT FROM money.holds h WHERE h.id = ANY (p_holds) ORDER BY h.id FOR UPDATE) AS locked
$$;

-- The members who may have to bear a chargeback: their reserves are locked as the sweep that gives
-- them back locks them, then their accounts in the order of ids, as posting does. What can be taken
-- of them now (nothing of a frozen one), how much of that is card money, and how much of a reserve was
-- taken by chargebacks and could go back into it. What they owe is locked too.
CREATE FUNCTION money.lock_bearers(p_members uuid[], p_unit text)
RETURNS TABLE (member_id uuid, kind text, balance bigint, restricted bigint, taken bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
BEGIN
    PERFORM FROM money.reserves r
      WHERE r.member_id = ANY (p_members) AND r.unit = p_unit AND r.released_at IS NULL
      ORDER BY r.release_at, r.order_id FOR UPDATE;
    PERFORM FROM money.accounts a
      WHERE a.owner_id = ANY (p_members) AND a.unit = p_unit AND a.kind IN ('reserve', 'wallet', 'receivable')
      ORDER BY a.id FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT a.owner_id, a.kind, CASE a.state WHEN 'open' THEN a.balance ELSE 0 END,
           CASE a.state WHEN 'open' THEN a.restricted ELSE 0 END, CASE a.kind WHEN 'reserve' THEN coalesce((
        SELECT sum(r.amount - r.left_amount) FROM money.reserves r
         WHERE r.member_id = a.owner_id AND r.unit = a.unit AND r.released_at IS NULL), 0) ELSE 0 END::bigint
      FROM money.accounts a
     WHERE a.owner_id = ANY (p_members) AND a.unit = p_unit AND a.kind IN ('reserve', 'wallet');
END $$;

-- Which of the orders a chargeback stops now; their holds are locked first, so that stays true.
CREATE FUNCTION money.lock_disputed(p_orders uuid[]) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    WITH locked AS MATERIALIZED (
        SELECT h.reference_id, h.disputed_at FROM money.holds h
         WHERE h.reference_id = ANY (p_orders) ORDER BY h.id FOR UPDATE)
    SELECT l.reference_id FROM locked l WHERE l.disputed_at IS NOT NULL
$$;

-- From now on the holds neither release nor settle, until ``free_holds``.
CREATE FUNCTION money.dispute_holds(p_holds uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    UPDATE money.holds SET disputed_at = foundation.handsel_now()
     WHERE id = ANY (p_holds) AND disputed_at IS NULL
$$;

-- Whether a chargeback still stops a hold: it runs, or it was lost and what it took is still held.
CREATE FUNCTION money.is_disputed(p_hold uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM money.chargeback_parts p
          JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
          JOIN money.holds h ON h.id = p.hold_id
         WHERE p.hold_id = p_hold AND (c.state IN ('open', 'evidence_sent')
            OR c.state IN ('lost', 'accepted') AND h.state = 'open' AND p.gone_back < p.amount))
$$;

CREATE FUNCTION money.free_holds(p_holds uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    UPDATE money.holds SET disputed_at = NULL
     WHERE id = ANY (p_holds) AND disputed_at IS NOT NULL AND NOT money.is_disputed(id)
$$;

-- A lost chargeback takes what was released and not settled yet.
CREATE FUNCTION money.cover_from_pending(p_chargeback uuid, p_hold uuid, p_amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds;
BEGIN
    UPDATE money.holds SET pending = pending - p_amount
     WHERE id = p_hold AND pending >= p_amount RETURNING * INTO held;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing_pending' USING ERRCODE = 'HS001';
    END IF;
    PERFORM money.post(ARRAY[money.account_id('pending', held.reference_id, held.unit)],
        ARRAY[money.account_id('dispute_transit', '00000000-0000-0000-0000-000000000000', held.unit)],
        ARRAY[p_amount], ARRAY[held.unit], ARRAY['dispute_covered'], p_chargeback);
END $$;

-- By kind alone: a predicate on the balance would make every change of any balance an index's business.
CREATE INDEX accounts_that_owe ON money.accounts (owner_id) WHERE kind = 'receivable';

-- Set aside of a wallet what it has to give: card money first, as what comes back to a payer is.
CREATE FUNCTION money.contest(p_chargeback uuid, p_wallet uuid, p_amount bigint, p_unit text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    contested uuid := money.account_id('contested', p_chargeback, p_unit);
    carded bigint;
BEGIN
    SELECT least(a.restricted, p_amount) INTO carded FROM money.accounts a
     WHERE a.id = p_wallet FOR NO KEY UPDATE;
    IF carded > 0 THEN
        PERFORM money.post(ARRAY[p_wallet], ARRAY[contested], ARRAY[carded], ARRAY[p_unit],
            ARRAY['contest'], p_chargeback);
    END IF;
    IF p_amount > carded THEN
        PERFORM money.post(ARRAY[p_wallet], ARRAY[contested], ARRAY[p_amount - carded], ARRAY[p_unit],
            ARRAY['contest_earned'], p_chargeback);
    END IF;
    RETURN contested;
END $$;

-- What goes back to a payer out of a disputed hold is set aside in the same transaction, whoever
-- refunds it and how: it must not be spent or sent to a card a second time. Deferred, since the
-- hold's row is written before its money has moved. Where the chargeback is lost already, what comes
-- back pays it.
CREATE FUNCTION money.contest_refund() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    back bigint := NEW.refunded - OLD.refunded;
    part record;
    taken bigint;
    contested uuid;
    transit uuid := money.account_id('dispute_transit', '00000000-0000-0000-0000-000000000000', NEW.unit);
BEGIN
    FOR part IN
        SELECT p.id, p.amount - p.gone_back AS missing, c.id AS chargeback,
               c.state IN ('lost', 'accepted') AS lost
          FROM money.chargeback_parts p
          JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
         WHERE p.hold_id = NEW.id AND c.state <> 'won' AND p.gone_back < p.amount ORDER BY c.id
    LOOP
        taken := least(back, part.missing);
        EXIT WHEN taken = 0;
        back := back - taken;
        contested := money.contest(part.chargeback, NEW.payer_account, taken, NEW.unit);
        IF part.lost THEN
            PERFORM money.post(ARRAY[contested], ARRAY[transit], ARRAY[taken], ARRAY[NEW.unit],
                ARRAY['dispute_covered'], part.chargeback);
        END IF;
        UPDATE money.chargeback_parts SET gone_back = gone_back + taken WHERE id = part.id;
    END LOOP;
    PERFORM money.free_holds(ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER contest_refund AFTER UPDATE OF refunded ON money.holds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.disputed_at IS NOT NULL AND NEW.refunded > OLD.refunded)
    EXECUTE FUNCTION money.contest_refund();

-- A card refund that fails after its payment was taken back has paid nobody: what the provider took
-- beyond the payment (``untraced``) was this very money. It is set aside in the same transaction, or
-- pays the house what it has lost by it, before anybody can spend it a second time. ``book_failed``
-- has locked the top-up, as every verb of a chargeback does first.
CREATE FUNCTION money.contest_card_return() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    back bigint := NEW.amount;
    part record;
    taken bigint;
    contested uuid;
BEGIN
    FOR part IN
        SELECT p.id, p.amount, p.round, c.id AS chargeback, c.state IN ('lost', 'accepted') AS lost
          FROM money.chargeback_parts p
          JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
         WHERE c.top_up_id = NEW.top_up_id AND c.state <> 'won' AND p.place = 'untraced' ORDER BY c.id
    LOOP
        taken := least(back, part.amount);
        EXIT WHEN taken = 0;
        back := back - taken;
        contested := money.contest(part.chargeback, money.account_id('wallet', NEW.member_id, NEW.unit),
            taken, NEW.unit);
        IF part.lost THEN
            PERFORM money.post(ARRAY[contested],
                ARRAY[money.account_id('losses', '00000000-0000-0000-0000-000000000000', NEW.unit)],
                ARRAY[taken], ARRAY[NEW.unit], ARRAY['loss_recovered'], part.chargeback);
        END IF;
        DELETE FROM money.chargeback_parts WHERE id = part.id AND amount = taken;
        UPDATE money.chargeback_parts SET amount = amount - taken WHERE id = part.id;
        INSERT INTO money.chargeback_parts AS p (chargeback_id, round, place, amount)
        VALUES (part.chargeback, part.round, 'wallet', taken)
        ON CONFLICT (chargeback_id, round, place, hold_id) DO UPDATE SET amount = p.amount + excluded.amount;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER contest_card_return AFTER UPDATE OF state ON money.card_refunds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state = 'failed' AND OLD.state <> 'failed')
    EXECUTE FUNCTION money.contest_card_return();

-- For payouts (declared in the revision before): what running chargebacks may still want of a member
-- beyond what they have set aside of theirs: of the payer what is in the wallet, was spent or came
-- back out of an order, of a seller the share of a sale that is settled already. It stays in the wallet.
CREATE OR REPLACE FUNCTION money.uncovered(p_member uuid, p_unit text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    WITH wanted AS (
        SELECT c.id, sum(CASE p.place WHEN 'hold' THEN p.gone_back ELSE p.amount END)::bigint AS amount
          FROM money.chargebacks c
          JOIN money.chargeback_parts p ON p.chargeback_id = c.id AND p.round = c.round
         WHERE c.member_id = p_member AND c.unit = p_unit AND c.state IN ('open', 'evidence_sent')
           AND p.place <> 'untraced' GROUP BY c.id
        UNION ALL
        SELECT c.id, coalesce(sum(div(p.amount::numeric * h.released, nullif(h.released + h.fee, 0))), 0)::bigint
          FROM money.chargeback_parts p
          JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
          JOIN money.holds h ON h.id = p.hold_id
         WHERE p.seller_id = p_member AND c.unit = p_unit AND c.state IN ('open', 'evidence_sent')
           AND h.state <> 'open' AND h.pending = 0 GROUP BY c.id
    )
    SELECT coalesce(sum(greatest(w.amount - coalesce((
        SELECT sum(CASE a.id WHEN t.debit_account THEN t.amount ELSE -t.amount END)
          FROM money.transfers t JOIN money.accounts a ON a.id IN (t.debit_account, t.credit_account)
         WHERE t.reference_id = w.id AND a.owner_id = p_member
           AND t.code IN ('contest', 'contest_returned', 'contest_earned', 'contest_earned_returned')
        ), 0), 0)), 0)::bigint FROM wanted w
$$;

-- Timers of orders that a chargeback stops rest until it is decided, and then run again.
CREATE FUNCTION deals.rest_timers(p_orders uuid[], p_transitions text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.timers SET retry_at = 'infinity'
     WHERE order_id = ANY (p_orders) AND transition = ANY (p_transitions)
$$;
CREATE FUNCTION deals.wake_timers(p_orders uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.timers SET retry_at = NULL, attempts = 0
     WHERE order_id = ANY (p_orders) AND retry_at IS NOT NULL
$$;

-- A part of what an order's seller waits for was charged back; ``note_move`` tells of it.
CREATE FUNCTION deals.reduce_net(p_order uuid, p_net bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.orders SET net_minor = p_net WHERE id = p_order
$$;

-- Evidence: the payer confirmed this very sale in person.
CREATE FUNCTION people.was_confirmed(p_reference uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT EXISTS (SELECT FROM people.confirmations c WHERE c.used_for = p_reference)
$$;
REVOKE EXECUTE ON FUNCTION people.was_confirmed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.was_confirmed TO handsel_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA money, deals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.note_chargeback, money.lock_holds, money.lock_disputed, money.lock_bearers, money.dispute_holds, money.free_holds,
    money.cover_from_pending, deals.rest_timers, deals.wake_timers, deals.reduce_net TO handsel_app;
