-- Why money moves out of a wallet, and what a sale may pay before its seller.
INSERT INTO money.account_kinds
    (kind, normal_side, owner, min_balance, max_balance, folded, clears_within, meaning) VALUES
    ('fee_tax', 'credit', 'house', NULL, NULL, true, NULL, 'taxes on fees, owed to the authority');
INSERT INTO money.accounts (kind, owner_id, unit, min_balance, max_balance, folded)
SELECT k.kind, '00000000-0000-0000-0000-000000000000', u.code, k.min_balance, k.max_balance, k.folded
  FROM money.account_kinds k CROSS JOIN money.units u WHERE k.kind = 'fee_tax';
INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('fee_tax', 'frees', 'the tax on a fee'),
    ('netted', 'frees', 'income that pays what its seller owes'),
    ('reserved', 'frees', 'kept back from a sale for a while'),
    ('reserve_released', 'frees', 'kept back long enough'),
    ('withdraw_stopped', 'frees', 'stopped before it was sent');

-- Payout methods. A removed one stays as a row: withdrawals refer to it, and whoever removes the
-- only one and adds another does not start anew.
ALTER TABLE money.payout_methods
    ADD COLUMN usable_from timestamptz, -- NULL: at once, as a member's first one is
    ADD COLUMN removed_at timestamptz,
    ADD COLUMN is_default boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT payout_methods_member_id_token_key,
    ADD CHECK (NOT (is_default AND removed_at IS NOT NULL));
UPDATE money.payout_methods m SET is_default = true
 WHERE m.id = (SELECT o.id FROM money.payout_methods o
                WHERE o.member_id = m.member_id ORDER BY o.id LIMIT 1);
CREATE UNIQUE INDEX payout_methods_once ON money.payout_methods (member_id, token)
    WHERE removed_at IS NULL;
CREATE UNIQUE INDEX payout_methods_one_default ON money.payout_methods (member_id) WHERE is_default;
CREATE INDEX payout_methods_by_member ON money.payout_methods (member_id, id);
GRANT UPDATE (removed_at, is_default) ON money.payout_methods TO handsel_app;

-- Withdrawals. ``pending``: the money has left the wallet and nobody was asked yet; ``sent``: the
-- provider may have acted. ``ask_at`` is when the sweep asks (again). ``period`` is the first day of
-- the period that a scheduled one is for.
ALTER TABLE money.withdrawals
    DROP CONSTRAINT withdrawals_state_check,
    ADD CONSTRAINT withdrawals_state_check
        CHECK (state IN ('pending', 'sent', 'paid', 'returned', 'stopped')),
    ADD COLUMN origin text NOT NULL DEFAULT 'member' CHECK (origin IN ('member', 'schedule')),
    ADD COLUMN period date,
    ADD COLUMN client_reference uuid,
    ADD COLUMN sent_at timestamptz,
    ADD COLUMN paid_at timestamptz,
    ADD COLUMN ask_at timestamptz,
    ADD COLUMN attempts int NOT NULL DEFAULT 0,
    ADD COLUMN late_told_at timestamptz,
    ADD CONSTRAINT withdrawals_client_reference UNIQUE (member_id, client_reference),
    ADD CONSTRAINT withdrawals_once_a_period UNIQUE (member_id, unit, period),
    ADD CHECK ((origin = 'schedule') = (period IS NOT NULL));
UPDATE money.withdrawals SET paid_at = decided_at WHERE state = 'paid';
-- What is under way when this revision comes may have been asked for already.
UPDATE money.withdrawals SET state = 'sent', sent_at = created_at, ask_at = created_at
 WHERE state = 'pending';
CREATE INDEX withdrawals_to_ask ON money.withdrawals (ask_at) WHERE state IN ('pending', 'sent');

ALTER TABLE money.top_ups
    ADD COLUMN client_reference uuid,
    -- On its way back to the card, or there already.
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT top_ups_client_reference UNIQUE (member_id, client_reference),
    ADD CONSTRAINT top_ups_refunded_within CHECK (refunded BETWEEN 0 AND amount);

-- Money that goes back to the card that it came from; one row for each top-up that it is taken of.
-- ``key`` is what the provider is asked under: a definite "no, not now" needs another one.
CREATE TABLE money.card_refunds (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    key uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    top_up_id uuid NOT NULL REFERENCES money.top_ups,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'succeeded', 'failed')),
    failure text,
    provider_reference text UNIQUE,
    attempts int NOT NULL DEFAULT 0,
    ask_at timestamptz,
    created_at timestamptz NOT NULL,
    succeeded_at timestamptz,
    decided_at timestamptz,
    late_told_at timestamptz
);
CREATE INDEX card_refunds_by_member ON money.card_refunds (member_id, id);
CREATE INDEX card_refunds_by_top_up ON money.card_refunds (top_up_id);
CREATE INDEX card_refunds_to_ask ON money.card_refunds (ask_at) WHERE state = 'pending';

-- When a member's money goes to the bank by itself. No row: by hand.
CREATE TABLE money.payout_schedules (
    member_id uuid NOT NULL REFERENCES people.members,
    unit text NOT NULL CONSTRAINT payout_schedules_unit_fkey REFERENCES money.units,
    every text NOT NULL CHECK (every IN ('manual', 'daily', 'weekly')),
    next_at timestamptz, -- the start of the next period
    last_skipped text, -- why the last period had no payout
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, unit),
    CHECK ((every = 'manual') = (next_at IS NULL))
);
CREATE INDEX payout_schedules_due ON money.payout_schedules (next_at);

-- The rolling reserve. ``reserve_shares`` says of whose sales how much is kept, and why; the largest
-- one in force counts. ``reserves`` are the amounts: what is left of all of a member's in a unit is
-- the balance of the reserve account.
CREATE TABLE money.reserve_shares (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    bps int NOT NULL CHECK (bps BETWEEN 0 AND 10000),
    keep interval NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    actor_id uuid REFERENCES people.members, -- NULL: the policy
    set_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX reserve_shares_by_member ON money.reserve_shares (member_id, ends_at);
CREATE TABLE money.reserves (
    order_id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES people.members,
    unit text NOT NULL REFERENCES money.units,
    amount bigint NOT NULL CHECK (amount > 0),
    left_amount bigint NOT NULL CHECK (left_amount BETWEEN 0 AND amount),
    created_at timestamptz NOT NULL,
    release_at timestamptz NOT NULL,
    released_at timestamptz,
    CHECK (released_at IS NULL OR left_amount = 0)
);
CREATE INDEX reserves_due ON money.reserves (release_at) WHERE left_amount > 0;
CREATE INDEX reserves_by_member ON money.reserves (member_id, unit) WHERE released_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON money.card_refunds, money.payout_schedules TO handsel_app;
GRANT SELECT, INSERT ON money.reserve_shares TO handsel_app;
GRANT UPDATE (ends_at) ON money.reserve_shares TO handsel_app;
GRANT SELECT ON money.reserves TO handsel_app;

-- One at a time: what leaves or enters a member's wallet by the provider is judged by what did so
-- before. An advisory lock, since the limits reach over currencies, and so over wallets.
CREATE FUNCTION money.lock_flows(p_member uuid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = money, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('flows:' || p_member, 12))
$$;

-- Everything that the velocity limits look at: thirty days of top-ups and withdrawals. Those that
-- came back or failed do not count as amounts, but failed top-ups count as tries.
CREATE FUNCTION money.flows(p_member uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    WITH top_up AS (
        SELECT t.created_at AS at, t.unit, t.amount, t.token, t.state FROM money.top_ups t
         WHERE t.member_id = p_member AND t.created_at > foundation.handsel_now() - interval '30 days'
    ), withdrawal AS (
        SELECT w.created_at AS at, w.unit, w.amount, w.method_id, w.state FROM money.withdrawals w
         WHERE w.member_id = p_member AND w.state NOT IN ('returned', 'stopped')
           AND w.created_at > foundation.handsel_now() - interval '30 days'
    )
    SELECT jsonb_build_object(
        'top_ups', coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.at) FROM top_up t), '[]'),
        'withdrawals', coalesce((SELECT jsonb_agg(to_jsonb(w) ORDER BY w.at) FROM withdrawal w), '[]'))
$$;

-- What chargebacks that run may still want of a member, beyond what they have set aside. Nothing, as
-- far as this revision knows: they come with the next one.
CREATE FUNCTION money.uncovered(p_member uuid, p_unit text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = money, pg_temp AS $$ SELECT 0::bigint $$;

-- The wallet as a payout sees it, its row locked until the end of the transaction: a hold, a
-- chargeback and another payout of the same money wait.
CREATE FUNCTION money.lock_wallet(p_member uuid, p_unit text)
RETURNS TABLE (balance bigint, restricted bigint, state text, owed bigint, uncovered bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
BEGIN
    PERFORM FROM money.accounts a WHERE a.id = money.account_id('wallet', p_member, p_unit)
        FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT coalesce(w.balance, 0), coalesce(w.restricted, 0), coalesce(w.state, 'open'),
           -coalesce(r.balance, 0), money.uncovered(p_member, p_unit)
      FROM (SELECT) AS always
      LEFT JOIN money.accounts w ON w.id = money.account_id('wallet', p_member, p_unit)
      LEFT JOIN money.accounts r ON r.id = money.account_id('receivable', p_member, p_unit);
END $$;

-- ``settle_holds`` for sales: of what is pending, first what the seller owes is paid, then a share
-- is kept back, the rest is the seller's. Several sales of one seller net in the order given. The
-- accounts are locked, in the order in which every posting locks them, before a debt is read: no
-- more is netted than is owed. A share is rounded down, so the unit is the seller's.
CREATE FUNCTION money.settle_sales(
    p_holds uuid[], p_payees uuid[], p_amounts bigint[], p_units text[], p_general_bps int,
    p_keep interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    agreed int;
    parts record;
BEGIN
    -- Locked before anything is looked at: what agreed without a lock may have been settled by now.
    PERFORM FROM money.holds WHERE id = ANY (p_holds) ORDER BY id FOR UPDATE;
    SELECT count(DISTINCT h.id) INTO agreed FROM unnest(p_holds, p_payees, p_amounts, p_units) AS l (hold, payee, amount, unit)
      JOIN money.holds h ON h.id = l.hold AND h.payee_id = l.payee AND h.pending = l.amount AND h.unit = l.unit;
    IF agreed <> cardinality(p_holds) THEN
        RAISE EXCEPTION 'nothing_pending' USING ERRCODE = 'HS001';
    END IF;
    INSERT INTO money.accounts (kind, owner_id, unit, min_balance, max_balance, folded)
    SELECT DISTINCT k.kind, l.payee, l.unit, k.min_balance, k.max_balance, k.folded
      FROM unnest(p_payees, p_units) AS l (payee, unit) CROSS JOIN money.account_kinds k
     WHERE k.kind = 'wallet' OR k.kind = 'reserve'
       AND (p_general_bps > 0 OR EXISTS (SELECT FROM money.reserve_shares s
                                          WHERE s.member_id = l.payee AND s.ends_at > at AND s.bps > 0))
    ON CONFLICT DO NOTHING;
    -- Nearly always nobody owes and nothing is kept. (A debt that arises in this very moment is paid
    -- by the next sale.)
    IF p_general_bps = 0
       AND NOT EXISTS (SELECT FROM money.reserve_shares s WHERE s.member_id = ANY (p_payees) AND s.ends_at > at)
       AND NOT EXISTS (SELECT FROM unnest(p_payees, p_units) AS l (payee, unit) JOIN money.accounts r
                         ON r.id = money.account_id('receivable', l.payee, l.unit) AND r.balance < 0) THEN
        PERFORM money.settle_holds(p_holds, ARRAY(
            SELECT money.account_id('wallet', l.payee, l.unit)
              FROM unnest(p_payees, p_units) WITH ORDINALITY AS l (payee, unit, i) ORDER BY l.i),
            p_amounts, array_fill('settle'::text, ARRAY[cardinality(p_holds)]));
        RETURN;
    END IF;
    PERFORM FROM money.accounts a WHERE a.id = ANY (ARRAY(
        SELECT money.account_id(k.kind, CASE k.kind WHEN 'pending' THEN h.reference_id ELSE h.payee_id END, h.unit)
          FROM money.holds h CROSS JOIN unnest(ARRAY['pending', 'receivable', 'reserve', 'wallet']) AS k (kind)
         WHERE h.id = ANY (p_holds))) ORDER BY a.id FOR NO KEY UPDATE;
    WITH sale AS (
        SELECT l.i, h.id AS hold, h.reference_id, h.payee_id AS payee, h.unit, h.pending AS amount,
               coalesce(-r.balance, 0) AS owed, s.bps, s.keep
          FROM unnest(p_holds) WITH ORDINALITY AS l (hold, i) JOIN money.holds h ON h.id = l.hold
          LEFT JOIN money.accounts r ON r.id = money.account_id('receivable', h.payee_id, h.unit)
         CROSS JOIN LATERAL (
            SELECT o.bps, o.keep FROM money.reserve_shares o
             WHERE o.member_id = h.payee_id AND o.ends_at > at
             UNION ALL SELECT p_general_bps, p_keep ORDER BY bps DESC, keep DESC LIMIT 1) AS s
    ), after_debt AS (
        SELECT *, least(amount, greatest(owed - coalesce(sum(amount) OVER (PARTITION BY payee, unit
            ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0))::bigint AS netted
          FROM sale
    ), shared AS (
        SELECT *, div((amount - netted)::numeric * bps, 10000)::bigint AS reserved FROM after_debt
    ), leg AS (
        SELECT s.i, k.n, s.hold, k.code, k.amount, money.account_id(k.kind, s.payee, s.unit) AS credit
          FROM shared s CROSS JOIN LATERAL (VALUES
              (1, 'receivable', 'netted', s.netted), (2, 'reserve', 'reserved', s.reserved),
              (3, 'wallet', 'settle', s.amount - s.netted - s.reserved)) AS k (n, kind, code, amount)
         WHERE k.amount > 0
    ), kept AS (
        INSERT INTO money.reserves (order_id, member_id, unit, amount, left_amount, created_at, release_at)
        SELECT reference_id, payee, unit, reserved, reserved, at, at + keep FROM shared WHERE reserved > 0
    ), legs AS (
        SELECT array_agg(hold ORDER BY i, n) AS holds, array_agg(credit ORDER BY i, n) AS credits,
               array_agg(amount ORDER BY i, n) AS amounts, array_agg(code ORDER BY i, n) AS codes FROM leg
    ), news AS (
        SELECT array_agg(reference_id) AS orders, array_agg(jsonb_build_object(
                   'order_id', reference_id, 'member_id', payee, 'currency', unit,
                   'netted_minor', netted, 'reserved_minor', reserved,
                   'paid_minor', amount - netted - reserved, 'release_at', at + keep)) AS bodies
          FROM shared WHERE netted + reserved > 0
    )
    SELECT * INTO parts FROM legs CROSS JOIN news;
    PERFORM money.settle_holds(parts.holds, parts.credits, parts.amounts, parts.codes);
    IF parts.orders IS NOT NULL THEN
        PERFORM foundation.record_events(
            array_fill('sale.kept_back'::text, ARRAY[cardinality(parts.orders)]), parts.orders, parts.bodies);
    END IF;
END $$;

-- Give reserves back whose time has come: a bounded number, set-based. Frozen wallets wait.
CREATE FUNCTION money.release_reserves(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    due record;
BEGIN
    SELECT array_agg(d.order_id) AS orders, array_agg(money.account_id('reserve', d.member_id, d.unit)) AS debits,
           array_agg(money.account_id('wallet', d.member_id, d.unit)) AS credits,
           array_agg(d.left_amount) AS amounts, array_agg(d.unit) AS units, count(*)::int AS rows
      INTO due FROM (
        SELECT r.* FROM money.reserves r
          JOIN money.accounts w ON w.id = money.account_id('wallet', r.member_id, r.unit) AND w.state = 'open'
          JOIN money.accounts a ON a.id = money.account_id('reserve', r.member_id, r.unit) AND a.state = 'open'
         WHERE r.left_amount > 0 AND r.release_at <= foundation.handsel_now()
         ORDER BY r.release_at, r.order_id LIMIT p_limit FOR UPDATE OF r SKIP LOCKED) AS d;
    IF due.rows > 0 THEN
        PERFORM money.post_batch(due.debits, due.credits, due.amounts, due.units,
            array_fill('reserve_released'::text, ARRAY[due.rows]), due.orders,
            array_fill(NULL::uuid, ARRAY[due.rows]));
        UPDATE money.reserves SET left_amount = 0, released_at = foundation.handsel_now()
         WHERE order_id = ANY (due.orders);
    END IF;
    RETURN due.rows;
END $$;

-- A chargeback takes from a member's reserve: note of which amounts, the ones first that would be
-- given back first. The caller posts the money from the reserve account in the same transaction.
CREATE FUNCTION money.take_reserve(p_member uuid, p_unit text, p_amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    missing bigint := p_amount;
    part record;
BEGIN
    FOR part IN
        SELECT r.order_id, r.left_amount FROM money.reserves r
         WHERE r.member_id = p_member AND r.unit = p_unit AND r.left_amount > 0
         ORDER BY r.release_at, r.order_id FOR UPDATE
    LOOP
        EXIT WHEN missing <= 0;
        UPDATE money.reserves SET left_amount = left_amount - least(part.left_amount, missing)
         WHERE order_id = part.order_id;
        missing := missing - part.left_amount;
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'insufficient_funds' USING ERRCODE = 'HS001';
    END IF;
END $$;

-- What a chargeback took comes back, the last taken first. Due ones go to the wallet with the sweep.
CREATE FUNCTION money.give_back_reserve(p_member uuid, p_unit text, p_amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    given bigint := p_amount;
    part record;
BEGIN
    FOR part IN
        SELECT r.order_id, r.amount - r.left_amount AS taken FROM money.reserves r
         WHERE r.member_id = p_member AND r.unit = p_unit AND r.released_at IS NULL
           AND r.left_amount < r.amount ORDER BY r.release_at DESC, r.order_id DESC FOR UPDATE
    LOOP
        EXIT WHEN given <= 0;
        UPDATE money.reserves SET left_amount = left_amount + least(part.taken, given)
         WHERE order_id = part.order_id;
        given := given - part.taken;
    END LOOP;
    IF given > 0 THEN
        RAISE EXCEPTION 'nothing_reserved' USING ERRCODE = 'HS001';
    END IF;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA money FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.lock_flows, money.flows, money.uncovered, money.lock_wallet, money.settle_sales,
    money.release_reserves, money.take_reserve, money.give_back_reserve TO handsel_app;
