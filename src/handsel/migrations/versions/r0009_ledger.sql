-- The chart grows: money that waits for a single order, that is kept back, that is owed, that is
-- on its way. ``max_balance`` is for what can only be owed; ``clears_within`` says how long money
-- may be on its way before somebody must be told.
ALTER TABLE money.account_kinds ADD COLUMN max_balance bigint, ADD COLUMN clears_within interval;
ALTER TABLE money.account_kinds DROP CONSTRAINT account_kinds_owner_check,
    ADD CONSTRAINT account_kinds_owner_check CHECK (owner IN ('member', 'order', 'dispute', 'house'));
-- One pending account per order: a busy seller would otherwise be one row that everybody waits for.
UPDATE money.account_kinds SET owner = 'order' WHERE kind = 'pending';
UPDATE money.account_kinds SET clears_within = interval '7 days' WHERE kind = 'payout_transit';
INSERT INTO money.account_kinds
    (kind, normal_side, owner, min_balance, max_balance, folded, clears_within, meaning) VALUES
    ('reserve', 'credit', 'member', 0, NULL, false, NULL, 'kept back from sales for a while, against chargebacks'),
    ('receivable', 'debit', 'member', NULL, 0, false, NULL, 'what a member owes the house'),
    ('contested', 'credit', 'dispute', 0, NULL, false, NULL, 'set aside while a chargeback runs'),
    ('refund_transit', 'credit', 'house', NULL, NULL, true, interval '14 days', 'on the way back to members'' cards'),
    ('dispute_transit', 'debit', 'house', NULL, NULL, true, interval '120 days', 'taken back by the provider while a chargeback runs'),
    ('provider_costs', 'debit', 'house', NULL, NULL, true, NULL, 'what the payment provider charges'),
    ('losses', 'debit', 'house', NULL, NULL, true, NULL, 'what nobody could be asked for'),
    ('bank_transit', 'debit', 'house', NULL, NULL, true, interval '7 days', 'on the way from the provider to our bank'),
    ('bank', 'debit', 'house', NULL, NULL, true, NULL, 'our account at the bank');

-- Why a transfer was made. ``restriction`` says what the code does with money that came by card: it
-- may be spent or go back to its card, but it may not be withdrawn, or the house would turn cards
-- into cash.
CREATE TABLE money.transfer_codes (
    code text PRIMARY KEY CHECK (code ~ '^[a-z_]{2,40}$'),
    meaning text NOT NULL,
    restriction text NOT NULL DEFAULT 'frees' CHECK (
        restriction IN ('frees', 'source', 'carries', 'free_only', 'restricted_only'))
);
INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('top_up', 'source', 'paid in by card'),
    ('hold', 'carries', 'held for an order'),
    ('refund', 'carries', 'a hold went back to its payer'),
    ('partial_refund', 'carries', 'a part of a hold went back to its payer'),
    ('release', 'frees', 'a hold went to the payee'),
    ('fee', 'frees', 'the fee that was agreed at sale'),
    ('fund_share', 'frees', 'the part of a fee that feeds the protection fund'),
    ('settle', 'frees', 'the hold period is over'),
    ('withdraw', 'free_only', 'on the way to the member''s bank'),
    ('payout', 'frees', 'the bank has it'),
    ('payout_returned', 'frees', 'the bank sent it back'),
    ('card_refund', 'restricted_only', 'on the way back to the member''s card'),
    ('card_refund_done', 'frees', 'the card has it'),
    ('card_refund_failed', 'source', 'the card did not take it back'),
    ('reversal', 'carries', 'a transfer undone by its mirror image'),
    ('adjustment', 'frees', 'by hand, with its reason in the audit chain'),
    ('pending_moved', 'frees', 'from the seller''s old pending account to the order''s own');

-- The books: what is dated on or before ``closed_until`` is closed.
CREATE TABLE money.books (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    closed_until date NOT NULL
);
INSERT INTO money.books (closed_until) VALUES ('1970-01-01');
GRANT SELECT ON money.transfer_codes, money.books TO handsel_app;

ALTER TABLE money.accounts ADD COLUMN max_balance bigint,
    -- What of the balance came by card and has not been spent.
    ADD COLUMN restricted bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT accounts_not_overpaid CHECK (max_balance IS NULL OR balance <= max_balance),
    ADD CONSTRAINT accounts_restricted_is_there CHECK (restricted = 0 OR restricted <= balance),
    ADD CONSTRAINT accounts_restricted_not_negative CHECK (restricted >= 0);
INSERT INTO money.accounts (kind, owner_id, unit, min_balance, max_balance, folded)
SELECT k.kind, '00000000-0000-0000-0000-000000000000', u.code, k.min_balance, k.max_balance, k.folded
  FROM money.account_kinds k CROSS JOIN money.units u WHERE k.owner = 'house'
ON CONFLICT (id) DO NOTHING;

-- The order of the lines. A uuidv7 is made before its row is locked; ``seq`` is drawn while both
-- accounts are locked, so for each account it is the order in which its balance moved. What was
-- written before keeps the order of its ids, and was not restricted.
ALTER TABLE money.transfers ADD COLUMN seq bigint,
    ADD COLUMN debit_restricted bigint, ADD COLUMN credit_restricted bigint;
ALTER TABLE money.transfers DISABLE TRIGGER append_only;
UPDATE money.transfers t SET seq = n.seq,
       debit_restricted = CASE WHEN debit_balance IS NOT NULL THEN 0 END,
       credit_restricted = CASE WHEN credit_balance IS NOT NULL THEN 0 END
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS seq FROM money.transfers) AS n WHERE n.id = t.id;
ALTER TABLE money.transfers ENABLE TRIGGER append_only;
ALTER TABLE money.transfers ALTER COLUMN seq SET NOT NULL,
    ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('money.transfers', 'seq'),
              greatest((SELECT max(seq) FROM money.transfers), 1),
              EXISTS (SELECT FROM money.transfers));
DROP INDEX money.transfers_by_debit, money.transfers_by_credit;
CREATE INDEX transfers_by_debit ON money.transfers (debit_account, seq);
CREATE INDEX transfers_by_credit ON money.transfers (credit_account, seq);
-- From here on the rules about restricted money hold; what was written before knew nothing of them.
ALTER TABLE money.books ADD COLUMN restricted_since bigint NOT NULL DEFAULT 0;
UPDATE money.books SET restricted_since = coalesce((SELECT max(seq) FROM money.transfers), 0);
-- For the sealer, which reads what is newest; nearly free, since rows lie in the order of seq.
CREATE INDEX transfers_by_seq ON money.transfers USING brin (seq)
    WITH (pages_per_range = 16, autosummarize = on);

-- A part of a hold may go back while the hold stays open; a chargeback stops the rest of it.
ALTER TABLE money.holds
    ADD COLUMN payee_id uuid,
    ADD COLUMN pending bigint NOT NULL DEFAULT 0,
    ADD COLUMN disputed_at timestamptz,
    DROP CONSTRAINT holds_sum,
    ADD CONSTRAINT holds_sum CHECK (
        CASE WHEN state = 'open' THEN released + fee = 0 AND refunded < amount AND resolved_at IS NULL
             ELSE released + refunded + fee = amount AND resolved_at IS NOT NULL END),
    ADD CONSTRAINT holds_pending CHECK (pending BETWEEN 0 AND released);
CREATE INDEX holds_waiting ON money.holds (payee_id, unit) WHERE pending > 0;

CREATE OR REPLACE FUNCTION money.open_accounts(p_kinds text[], p_owners uuid[], p_units text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
BEGIN
    INSERT INTO money.accounts (kind, owner_id, unit, min_balance, max_balance, folded)
    SELECT k.kind, a.owner, a.unit, k.min_balance, k.max_balance, k.folded
      FROM unnest(p_kinds, p_owners, p_units) AS a (kind, owner, unit)
      JOIN money.account_kinds k ON k.kind = a.kind
    -- Without a target, for (id, unit) is unique too: of two that race the second would trip over it.
    ON CONFLICT DO NOTHING;
END $$;

-- Why an account's balance was not changed. NULL balances are right for folded accounts only. An
-- account of no order that has nothing wrong with it was opened again after the update had looked.
CREATE OR REPLACE FUNCTION money.explain_refusal(p_account uuid, p_unit text) RETURNS void
LANGUAGE plpgsql SET search_path = money, pg_temp AS $$
DECLARE
    account money.accounts;
BEGIN
    SELECT * INTO account FROM money.accounts WHERE id = p_account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_account' USING ERRCODE = 'HS001', DETAIL = 'there is no such account';
    ELSIF account.unit <> p_unit THEN
        RAISE EXCEPTION 'unit_mismatch' USING ERRCODE = 'HS001',
            DETAIL = format('the account is in %s, the transfer in %s', account.unit, p_unit);
    ELSIF account.state <> 'open' OR (account.kind <> 'escrow' AND NOT account.folded) THEN
        RAISE EXCEPTION 'account_not_open' USING ERRCODE = 'HS001', DETAIL = CASE account.state
            WHEN 'open' THEN 'the account was not open a moment ago'
            ELSE format('the account is %s', account.state) END;
    ELSIF NOT account.folded THEN
        RAISE EXCEPTION 'hold_needed' USING ERRCODE = 'HS001',
            DETAIL = 'money of an order moves by its hold';
    END IF;
END $$;

-- The one posting function. Linked transfers: all or none, in the order given. Rows are locked in
-- ascending order of account id, whatever the order of the transfers; one transfer alone needs no
-- locking statement, since its two updates come in that order. Only a code that carries restricted
-- money along must know how much before it moves it.
CREATE OR REPLACE FUNCTION money.post(
    p_debits uuid[], p_credits uuid[], p_amounts bigint[], p_units text[], p_codes text[],
    p_reference uuid, p_hold uuid DEFAULT NULL, p_reversal_of uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    dated date := (at AT TIME ZONE 'UTC')::date;
    locked boolean := cardinality(p_debits) > 1;
    rule text;
    closed date;
    moved bigint;
    carried bigint;
    balances bigint[];
    restricteds bigint[];
    side int;
    after bigint;
    after_restricted bigint;
BEGIN
    IF locked THEN
        PERFORM FROM money.accounts
          WHERE id = ANY (p_debits || p_credits) AND NOT folded ORDER BY id FOR NO KEY UPDATE;
    END IF;
    FOR i IN 1 .. cardinality(p_debits) LOOP
        moved := p_amounts[i];
        SELECT c.restriction, b.closed_until INTO rule, closed
          FROM money.books b LEFT JOIN money.transfer_codes c ON c.code = p_codes[i];
        IF rule IS NULL THEN
            RAISE EXCEPTION 'unknown_transfer_code' USING ERRCODE = 'HS001', DETAIL = p_codes[i];
        ELSIF dated <= closed THEN
            RAISE EXCEPTION 'period_closed' USING ERRCODE = 'HS001',
                DETAIL = format('the books are closed until %s', closed);
        ELSIF moved IS NULL OR moved NOT BETWEEN 1 AND 1000000000000000 THEN
            RAISE EXCEPTION 'invalid_amount' USING ERRCODE = 'HS001';
        END IF;
        carried := 0;
        IF rule = 'source' THEN
            carried := moved;
        ELSIF rule = 'carries' THEN
            IF NOT locked THEN
                PERFORM FROM money.accounts
                  WHERE id IN (p_debits[i], p_credits[i]) AND NOT folded ORDER BY id FOR NO KEY UPDATE;
            END IF;
            SELECT least(a.restricted, moved) INTO carried FROM money.accounts a WHERE a.id = p_debits[i];
            carried := coalesce(carried, 0);
        END IF;
        balances := ARRAY[NULL, NULL];
        restricteds := ARRAY[NULL, NULL];
        FOREACH side IN ARRAY
            CASE WHEN p_debits[i] < p_credits[i] THEN '{1,2}'::int[] ELSE '{2,1}' END
        LOOP
            IF side = 1 THEN
                UPDATE money.accounts SET balance = balance - moved, restricted = CASE rule
                    WHEN 'carries' THEN restricted - carried
                    WHEN 'restricted_only' THEN restricted - moved
                    WHEN 'free_only' THEN restricted
                    ELSE greatest(least(restricted, balance - moved), 0) END
                 WHERE id = p_debits[i] AND unit = p_units[i] AND state = 'open' AND NOT folded
                   AND (p_hold IS NOT NULL OR kind <> 'escrow')
                RETURNING balance, restricted INTO after, after_restricted;
            ELSE
                UPDATE money.accounts SET balance = balance + moved, restricted = restricted + carried
                 WHERE id = p_credits[i] AND unit = p_units[i] AND state = 'open' AND NOT folded
                   AND (p_hold IS NOT NULL OR kind <> 'escrow')
                RETURNING balance, restricted INTO after, after_restricted;
            END IF;
            IF FOUND THEN
                balances[side] := after;
                restricteds[side] := after_restricted;
            ELSE
                PERFORM money.explain_refusal(
                    CASE side WHEN 1 THEN p_debits[i] ELSE p_credits[i] END, p_units[i]);
            END IF;
        END LOOP;
        INSERT INTO money.transfers (unit, debit_account, credit_account, amount, code, reference_id,
            hold_id, reversal_of, debit_balance, credit_balance, debit_restricted, credit_restricted,
            booked_at, value_date)
        VALUES (p_units[i], p_debits[i], p_credits[i], moved, p_codes[i], p_reference,
            p_hold, p_reversal_of, balances[1], balances[2], restricteds[1], restricteds[2], at, dated);
    END LOOP;
END $$;

-- Many transfers at once, set-based: what ``post`` would do with them one after another, in the
-- order given, all or none, with one update per account however often it occurs. For codes that
-- free what was restricted; each transfer has a reference and a hold (or NULL) of its own.
CREATE FUNCTION money.post_batch(
    p_debits uuid[], p_credits uuid[], p_amounts bigint[], p_units text[], p_codes text[],
    p_references uuid[], p_holds uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    dated date := (at AT TIME ZONE 'UTC')::date;
    wrong record;
    headroom bigint;
BEGIN
    IF dated <= (SELECT b.closed_until FROM money.books b) THEN
        RAISE EXCEPTION 'period_closed' USING ERRCODE = 'HS001';
    END IF;
    SELECT u.code INTO wrong FROM unnest(p_codes) AS u (code)
      LEFT JOIN money.transfer_codes c ON c.code = u.code
     WHERE c.restriction IS DISTINCT FROM 'frees' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown_transfer_code' USING ERRCODE = 'HS001',
            DETAIL = format('%s is not a code for a batch', wrong.code);
    ELSIF EXISTS (SELECT FROM unnest(p_amounts) AS u (amount)
                   WHERE u.amount IS NULL OR u.amount NOT BETWEEN 1 AND 1000000000000000) THEN
        RAISE EXCEPTION 'invalid_amount' USING ERRCODE = 'HS001';
    END IF;
    PERFORM FROM money.accounts
      WHERE id = ANY (p_debits || p_credits) AND NOT folded ORDER BY id FOR NO KEY UPDATE;
    FOR wrong IN
        SELECT s.account, s.unit
          FROM unnest(p_debits || p_credits, p_units || p_units, p_holds || p_holds) AS s (account, unit, hold)
          LEFT JOIN money.accounts a ON a.id = s.account AND a.unit = s.unit AND a.state = 'open'
                AND (s.hold IS NOT NULL OR a.kind <> 'escrow')
         WHERE a.id IS NULL LIMIT 1
    LOOP
        PERFORM money.explain_refusal(wrong.account, wrong.unit);
    END LOOP;
    WITH leg AS (
        SELECT u.*, u.i::int AS n FROM unnest(p_debits, p_credits, p_amounts, p_units, p_codes, p_references, p_holds)
            WITH ORDINALITY AS u (debit, credit, amount, unit, code, reference, hold, i)
    ), side AS (
        SELECT n, debit AS account, -amount AS delta FROM leg
        UNION ALL SELECT n, credit, amount FROM leg
    ), line AS (
        SELECT s.n, s.account, s.delta, a.restricted AS before, a.min_balance, a.max_balance,
               a.balance + (sum(s.delta) OVER same)::bigint AS after
          FROM side s JOIN money.accounts a ON a.id = s.account AND NOT a.folded
        WINDOW same AS (PARTITION BY s.account ORDER BY s.n)
    ), running AS (
        -- Free money goes first: what is restricted sinks with the balance, and never comes back.
        SELECT l.*, greatest(least(l.before, min(l.after) FILTER (WHERE l.delta < 0)
                   OVER (PARTITION BY l.account ORDER BY l.n)), 0) AS restricted
          FROM line l
    ), last AS (
        SELECT DISTINCT ON (r.account) r.account, r.after, r.restricted
          FROM running r ORDER BY r.account, r.n DESC
    ), changed AS (
        UPDATE money.accounts a SET balance = t.after, restricted = t.restricted
          FROM last t WHERE a.id = t.account
    ), posted AS (
        INSERT INTO money.transfers (unit, debit_account, credit_account, amount, code, reference_id,
            hold_id, debit_balance, credit_balance, debit_restricted, credit_restricted, booked_at,
            value_date)
        SELECT l.unit, l.debit, l.credit, l.amount, l.code, l.reference, l.hold, d.after, c.after,
               d.restricted, c.restricted, at, dated
          FROM leg l
          LEFT JOIN running d ON d.n = l.n AND d.delta < 0
          LEFT JOIN running c ON c.n = l.n AND c.delta > 0
         ORDER BY l.n
    )
    SELECT min(least(r.after - r.min_balance, r.max_balance - r.after)) INTO headroom FROM running r;
    IF headroom < 0 THEN
        RAISE EXCEPTION 'insufficient_funds' USING ERRCODE = 'HS001';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION money.open_hold(
    p_hold uuid, p_payer uuid, p_escrow uuid, p_amount bigint, p_unit text, p_reference uuid,
    p_expires_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
BEGIN
    INSERT INTO money.holds (id, reference_id, unit, amount, payer_account, escrow_account,
        opened_at, expires_at)
    VALUES (p_hold, p_reference, p_unit, p_amount, p_payer, p_escrow, foundation.handsel_now(), p_expires_at);
    PERFORM money.post(ARRAY[p_payer], ARRAY[p_escrow], ARRAY[p_amount], ARRAY[p_unit],
        ARRAY['hold'], p_reference, p_hold);
END $$;

CREATE FUNCTION money.lock_hold(p_hold uuid) RETURNS money.holds
LANGUAGE plpgsql SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds;
BEGIN
    SELECT * INTO held FROM money.holds WHERE id = p_hold FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_hold' USING ERRCODE = 'HS001', DETAIL = 'there is no such hold';
    ELSIF held.state <> 'open' THEN
        RAISE EXCEPTION 'hold_resolved' USING ERRCODE = 'HS001',
            DETAIL = format('the hold is already %s', held.state);
    END IF;
    RETURN held;
END $$;

-- Where a part of a hold may go: back to its payer, to the order's pending account, to the house.
CREATE FUNCTION money.leg_fits(p_held money.holds, p_credit uuid, p_leg text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_leg WHEN 'refund' THEN p_credit = p_held.payer_account
        WHEN 'release' THEN p_credit = money.account_id('pending', p_held.reference_id, p_held.unit)
        WHEN 'fund_share' THEN p_credit = money.account_id('protection_fund', '00000000-0000-0000-0000-000000000000', p_held.unit)
        ELSE p_credit = money.account_id(p_leg, '00000000-0000-0000-0000-000000000000', p_held.unit) END
$$;

-- Pay a part of a hold back to its payer; the hold stays open with the rest.
CREATE FUNCTION money.refund_part(p_hold uuid, p_amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds := money.lock_hold(p_hold);
BEGIN
    IF p_amount >= held.amount - held.refunded THEN
        RAISE EXCEPTION 'refund_exceeds_remainder' USING ERRCODE = 'HS001',
            DETAIL = format('%s of %s are still held', held.amount - held.refunded, held.amount);
    END IF;
    PERFORM money.post(ARRAY[held.escrow_account], ARRAY[held.payer_account], ARRAY[p_amount],
        ARRAY[held.unit], ARRAY['partial_refund'], held.reference_id, p_hold);
    UPDATE money.holds SET refunded = refunded + p_amount WHERE id = p_hold;
END $$;

-- Resolve a hold, exactly once and whole: the legs (release, refund, fee) must sum to what is left
-- of it. What is released waits as pending for ``p_payee``. A disputed hold only goes back.
DROP FUNCTION money.resolve_hold(uuid, text, uuid[], bigint[], text[]);
CREATE FUNCTION money.resolve_hold(
    p_hold uuid, p_state text, p_credits uuid[], p_amounts bigint[], p_legs text[], p_payee uuid)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds := money.lock_hold(p_hold);
    legs int := cardinality(p_credits);
    gone bigint;
    back bigint;
    kept bigint;
BEGIN
    SELECT coalesce(sum(l.amount) FILTER (WHERE l.leg = 'release'), 0),
           coalesce(sum(l.amount) FILTER (WHERE l.leg = 'refund'), 0),
           coalesce(sum(l.amount) FILTER (WHERE l.leg IN ('fee', 'fee_tax', 'fund_share')), 0)
      INTO gone, back, kept FROM unnest(p_amounts, p_legs) AS l (amount, leg);
    IF held.disputed_at IS NOT NULL AND gone + kept > 0 THEN
        RAISE EXCEPTION 'payment_disputed' USING ERRCODE = 'HS001';
    ELSIF EXISTS (SELECT FROM unnest(p_credits, p_legs) AS l (credit, leg) WHERE NOT money.leg_fits(held, l.credit, l.leg))
          OR money.account_id('wallet', p_payee, held.unit) = held.payer_account THEN
        RAISE EXCEPTION 'wrong_leg' USING ERRCODE = 'HS001';
    END IF;
    UPDATE money.holds SET state = p_state, resolved_at = foundation.handsel_now(),
        released = gone, refunded = refunded + back, fee = kept, pending = gone, payee_id = p_payee
     WHERE id = p_hold;
    PERFORM money.post(array_fill(held.escrow_account, ARRAY[legs]), p_credits, p_amounts,
        array_fill(held.unit, ARRAY[legs]), p_legs, held.reference_id, p_hold);
END $$;

-- Resolve many holds at once by releasing them, set-based. Leg i belongs to hold p_hold_of[i].
CREATE FUNCTION money.release_holds(
    p_holds uuid[], p_payees uuid[],
    p_hold_of uuid[], p_credits uuid[], p_amounts bigint[], p_legs text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    stuck record;
    released int;
    debits uuid[];
    units text[];
    refs uuid[];
BEGIN
    -- In a CTE of its own: the planner would push the condition of a plain subquery below the lock,
    -- where it sees the rows as they were before, and locks those alone that fulfil it.
    WITH locked AS MATERIALIZED (
        SELECT l.state, l.disputed_at FROM money.holds l WHERE l.id = ANY (p_holds)
         ORDER BY l.id FOR UPDATE)
    SELECT h.state, h.disputed_at INTO stuck FROM locked h
     WHERE h.state <> 'open' OR h.disputed_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%', CASE WHEN stuck.state = 'open' THEN 'payment_disputed' ELSE 'hold_resolved' END
            USING ERRCODE = 'HS001';
    END IF;
    WITH part AS (
        SELECT l.hold, coalesce(sum(l.amount) FILTER (WHERE l.leg = 'release'), 0) AS gone,
               coalesce(sum(l.amount) FILTER (WHERE l.leg <> 'release'), 0) AS kept
          FROM unnest(p_hold_of, p_amounts, p_legs) AS l (hold, amount, leg) GROUP BY l.hold
    )
    UPDATE money.holds h SET state = 'released', resolved_at = foundation.handsel_now(),
           released = p.gone, fee = p.kept, pending = p.gone, payee_id = t.payee
      FROM unnest(p_holds, p_payees) AS t (hold, payee) JOIN part p ON p.hold = t.hold
     WHERE h.id = t.hold;
    GET DIAGNOSTICS released = ROW_COUNT;
    IF released <> cardinality(p_holds) THEN
        RAISE EXCEPTION 'unknown_hold' USING ERRCODE = 'HS001';
    END IF;
    SELECT array_agg(h.escrow_account ORDER BY l.i), array_agg(h.unit ORDER BY l.i),
           array_agg(h.reference_id ORDER BY l.i) INTO debits, units, refs
      FROM unnest(p_hold_of) WITH ORDINALITY AS l (hold, i) JOIN money.holds h ON h.id = l.hold;
    IF EXISTS (SELECT FROM unnest(p_hold_of, p_credits, p_legs) AS l (hold, credit, leg)
                 JOIN money.holds h ON h.id = l.hold
                WHERE l.leg = 'refund' OR l.hold <> ALL (p_holds) OR NOT money.leg_fits(h, l.credit, l.leg)) THEN
        RAISE EXCEPTION 'wrong_leg' USING ERRCODE = 'HS001';
    END IF;
    PERFORM money.post_batch(debits, p_credits, p_amounts, units, p_legs, refs, p_hold_of);
END $$;

-- Let what was released become the payee's: for one hold or many. Leg i pays pending money of hold
-- p_holds[i] on; the legs of a hold must sum to all that is pending of it. The rows of the holds
-- are locked first, so a chargeback is either seen here or waits and finds the money in the wallet.
CREATE FUNCTION money.settle_holds(
    p_holds uuid[], p_credits uuid[], p_amounts bigint[], p_codes text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    disputed boolean;
    settled int;
    debits uuid[];
    units text[];
    refs uuid[];
BEGIN
    SELECT coalesce(bool_or(h.disputed_at IS NOT NULL), false) INTO disputed FROM (
        SELECT l.disputed_at FROM money.holds l WHERE l.id = ANY (p_holds) ORDER BY l.id FOR UPDATE) AS h;
    IF disputed THEN
        RAISE EXCEPTION 'payment_disputed' USING ERRCODE = 'HS001';
    END IF;
    SELECT array_agg(money.account_id('pending', h.reference_id, h.unit) ORDER BY l.i),
           array_agg(h.unit ORDER BY l.i), array_agg(h.reference_id ORDER BY l.i)
      INTO debits, units, refs
      FROM unnest(p_holds) WITH ORDINALITY AS l (hold, i) JOIN money.holds h ON h.id = l.hold;
    UPDATE money.holds h SET pending = 0
      FROM (SELECT l.hold, sum(l.amount) AS total FROM unnest(p_holds, p_amounts) AS l (hold, amount)
             GROUP BY l.hold) AS s
     WHERE h.id = s.hold AND h.pending = s.total;
    GET DIAGNOSTICS settled = ROW_COUNT;
    IF settled <> (SELECT count(DISTINCT l.hold) FROM unnest(p_holds) AS l (hold)) THEN
        RAISE EXCEPTION 'nothing_pending' USING ERRCODE = 'HS001';
    END IF;
    -- The hold is not passed on: what leaves a pending account is no longer the hold's own transfer.
    PERFORM money.post_batch(debits, p_credits, p_amounts, units, p_codes, refs,
        array_fill(NULL::uuid, ARRAY[cardinality(p_holds)]));
END $$;

-- Stop an account, open it again, or close it for good. The reason stands in the audit chain.
CREATE FUNCTION money.set_account_state(p_account uuid, p_state text, p_actor uuid, p_reason text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    account money.accounts;
BEGIN
    SELECT * INTO account FROM money.accounts WHERE id = p_account FOR UPDATE;
    IF NOT FOUND OR account.folded THEN
        RAISE EXCEPTION 'unknown_account' USING ERRCODE = 'HS001', DETAIL = 'there is no such account';
    ELSIF account.state = 'closed' THEN
        RAISE EXCEPTION 'account_not_open' USING ERRCODE = 'HS001', DETAIL = 'the account is closed';
    ELSIF p_state = 'closed' AND account.balance <> 0 THEN
        RAISE EXCEPTION 'account_not_empty' USING ERRCODE = 'HS001';
    END IF;
    UPDATE money.accounts SET state = p_state WHERE id = p_account;
    PERFORM foundation.record_audit(ARRAY['ledger'], ARRAY[p_account], ARRAY[p_actor],
        ARRAY['account_' || p_state],
        ARRAY[jsonb_build_object('was', account.state, 'reason', p_reason)]);
END $$;

-- Pending money of sales that were released before this revision moves to their own accounts.
DO $$
DECLARE
    sale record;
BEGIN
    UPDATE money.holds h SET payee_id = a.owner_id FROM money.transfers t
      JOIN money.accounts a ON a.id = t.credit_account
     WHERE t.hold_id = h.id AND t.code = 'release';
    FOR sale IN
        SELECT h.id, h.reference_id, h.unit, h.released, t.credit_account AS account
          FROM money.holds h JOIN money.transfers t ON t.hold_id = h.id AND t.code = 'release'
         WHERE h.released > 0 AND NOT EXISTS (
            SELECT FROM money.transfers s WHERE s.code = 'settle' AND s.reference_id = h.reference_id)
    LOOP
        PERFORM money.open_accounts(ARRAY['pending'], ARRAY[sale.reference_id], ARRAY[sale.unit]);
        PERFORM money.post(ARRAY[sale.account],
            ARRAY[money.account_id('pending', sale.reference_id, sale.unit)],
            ARRAY[sale.released], ARRAY[sale.unit], ARRAY['pending_moved'], sale.reference_id);
        UPDATE money.holds SET pending = released WHERE id = sale.id;
    END LOOP;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA money FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.post_batch, money.refund_part, money.resolve_hold,
    money.release_holds, money.settle_holds, money.set_account_state TO handsel_app;


-- What settlement batches need of the other wings, set-based too.
ALTER TABLE deals.orders ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_refunded CHECK (refunded_minor BETWEEN 0 AND amount);

-- A move that leads nowhere: it stands in the timeline, and the timers go on.
CREATE FUNCTION deals.note_move(
    p_order uuid, p_version int, p_transition text, p_state text, p_actor uuid, p_role text,
    p_note text, p_money jsonb, p_refunded bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
BEGIN
    UPDATE deals.orders SET version = version + 1, refunded_minor = p_refunded
     WHERE id = p_order AND version = p_version AND state = p_state;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'HS001', DETAIL = 'somebody else moved first';
    END IF;
    INSERT INTO deals.moves (order_id, seq, transition, from_state, to_state, actor_id, role, at, note, money)
    VALUES (p_order, p_version + 1, p_transition, p_state, p_state, p_actor, p_role,
        foundation.handsel_now(), p_note, p_money);
END $$;

-- ``move_order`` for moves that time makes with many orders at once: all or none.
CREATE FUNCTION deals.move_orders(
    p_orders uuid[], p_versions int[], p_transitions text[], p_froms text[], p_tos text[],
    p_money text[], p_nets bigint[],
    p_timer_orders uuid[], p_timers text[], p_dues timestamptz[], p_reminders timestamptz[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    moved int;
BEGIN
    UPDATE deals.orders o SET state = m.to_state, version = o.version + 1, entered_at = at,
           net_minor = coalesce(m.net, o.net_minor)
      FROM unnest(p_orders, p_versions, p_froms, p_tos, p_nets)
           AS m (id, version, from_state, to_state, net)
     WHERE o.id = m.id AND o.version = m.version AND o.state = m.from_state;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(p_orders) THEN
        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'HS001', DETAIL = 'somebody else moved first';
    END IF;
    INSERT INTO deals.moves (order_id, seq, transition, from_state, to_state, role, at, money)
    SELECT m.id, m.version + 1, m.transition, m.from_state, m.to_state, 'system', at, m.money::jsonb
      FROM unnest(p_orders, p_versions, p_transitions, p_froms, p_tos, p_money)
           AS m (id, version, transition, from_state, to_state, money);
    DELETE FROM deals.timers WHERE order_id = ANY (p_orders);
    INSERT INTO deals.timers (order_id, transition, due_at, remind_at)
    SELECT t.id, t.name, t.due, t.remind
      FROM unnest(p_timer_orders, p_timers, p_dues, p_reminders) AS t (id, name, due, remind);
END $$;
REVOKE EXECUTE ON FUNCTION deals.note_move, deals.move_orders FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.note_move, deals.move_orders TO handsel_app;

CREATE FUNCTION people.settle_exposures(p_references uuid[], p_payers uuid[], p_payees uuid[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    known int;
BEGIN
    PERFORM FROM people.exposures e WHERE e.reference_id = ANY (p_references)
      ORDER BY e.reference_id FOR UPDATE;
    SELECT count(*) INTO known FROM unnest(p_references, p_payers, p_payees) AS p (reference, payer, payee)
      JOIN people.exposures e ON e.reference_id = p.reference AND e.payer_id = p.payer
           AND e.payee_id = p.payee AND e.state IN ('reserved', 'settled');
    IF known <> cardinality(p_references) THEN
        RAISE EXCEPTION 'exposure_not_reserved' USING ERRCODE = 'HS001',
            DETAIL = 'there is no reserved payment to become settled';
    END IF;
    UPDATE people.exposures e SET state = 'settled', resolved_at = foundation.handsel_now()
     WHERE e.reference_id = ANY (p_references) AND e.state = 'reserved';
END $$;
REVOKE EXECUTE ON FUNCTION people.settle_exposures FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.settle_exposures TO handsel_app;
