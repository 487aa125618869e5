-- The provider's report, line by line, as it came. What the two books make of the same reference is
-- compared over all lines ever, so that a line dated a day later is no difference for ever.
INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('provider_fee', 'frees', 'what the provider takes for a payment'),
    ('bank_payout', 'frees', 'the provider pays our balance out to our bank'),
    ('bank_received', 'frees', 'our bank has it'),
    ('bank_other', 'frees', 'something else on our bank account');
CREATE TABLE money.report_lines (
    source text NOT NULL,
    line_id text NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    amount bigint NOT NULL, -- as the provider's balance of ours sees it
    fee bigint NOT NULL,
    unit text NOT NULL,
    at timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (source, line_id)
);
CREATE INDEX report_lines_by_reference ON money.report_lines (reference);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.report_lines
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Lines of our bank's statements. ``reference_id`` is the bank payout that a line pays.
CREATE TABLE money.bank_lines (
    line_id text PRIMARY KEY,
    reference text NOT NULL,
    amount bigint NOT NULL,
    unit text NOT NULL,
    booked_on date NOT NULL,
    imported_at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.bank_lines
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Where the two books differ; the queue that the desk will work on. ``ours`` and ``theirs`` are
-- sums of minor units; NULL is "not at all".
CREATE TABLE money.differences (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    source text NOT NULL,
    what text NOT NULL CHECK (what IN (
        'missing_here', 'missing_there', 'amount_differs', 'currency_differs', 'duplicate_there',
        'clearing_overdue', 'unknown_bank_line')),
    kind text NOT NULL,
    reference text NOT NULL,
    unit text NOT NULL,
    ours bigint,
    theirs bigint,
    since timestamptz NOT NULL, -- the day of the oldest line that it is about
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'explained', 'resolved')),
    explanation text,
    closed_at timestamptz,
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK (state <> 'explained' OR length(explanation) > 2)
);
CREATE UNIQUE INDEX differences_open ON money.differences (source, kind, reference, unit)
    WHERE state = 'open';
CREATE TABLE money.reconciliation_runs (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    source text NOT NULL,
    day date NOT NULL,
    lines int NOT NULL,
    found int NOT NULL,
    ran_at timestamptz NOT NULL
);
GRANT SELECT, INSERT ON money.report_lines, money.bank_lines, money.differences,
    money.reconciliation_runs TO handsel_app;
GRANT UPDATE (what, ours, theirs, last_seen, state, explanation, closed_at)
    ON money.differences TO handsel_app;

-- What our books say of the provider's balance, in its own words: one row for each transfer.
CREATE VIEW money.provider_movements AS
SELECT t.id, t.booked_at, t.unit,
       CASE t.code WHEN 'top_up' THEN 'charge' WHEN 'card_refund_done' THEN 'refund'
            WHEN 'card_refund_failed' THEN 'refund_failed' WHEN 'payout' THEN 'payout'
            WHEN 'payout_returned' THEN 'payout_return' WHEN 'dispute_taken' THEN 'dispute'
            WHEN 'dispute_returned' THEN 'dispute_return' END AS kind,
       coalesce(p.provider_reference, r.provider_reference, w.provider_reference,
                c.provider_reference, t.reference_id::text) AS reference,
       CASE WHEN d.kind = 'provider_clearing' THEN t.amount ELSE -t.amount END AS amount
  FROM money.transfers t
  JOIN money.accounts d ON d.id = t.debit_account
  JOIN money.accounts k ON k.id = t.credit_account
  LEFT JOIN money.top_ups p ON p.id = t.reference_id
  LEFT JOIN money.card_refunds r ON r.id = t.reference_id
  LEFT JOIN money.withdrawals w ON w.id = t.reference_id
  LEFT JOIN money.chargebacks c ON c.id = t.reference_id
 WHERE 'provider_clearing' IN (d.kind, k.kind)
   AND t.code IN ('top_up', 'card_refund_done', 'card_refund_failed', 'payout', 'payout_returned',
                  'dispute_taken', 'dispute_returned');
GRANT SELECT ON money.provider_movements TO handsel_app;

-- Money on its way for longer than it should be: one row for each thing that it is about.
CREATE FUNCTION money.clearing_overdue(p_limit int) RETURNS TABLE (
    kind text, reference uuid, unit text, amount bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT k.kind, s.reference_id, a.unit, sum(s.delta)::bigint, min(s.booked_at)
      FROM money.account_kinds k
      JOIN money.accounts a ON a.kind = k.kind
      CROSS JOIN LATERAL (
        SELECT t.reference_id, t.amount AS delta, t.booked_at FROM money.transfers t
         WHERE t.credit_account = a.id
        UNION ALL
        SELECT t.reference_id, -t.amount, t.booked_at FROM money.transfers t
         WHERE t.debit_account = a.id) AS s
     WHERE k.clears_within IS NOT NULL
     GROUP BY k.kind, k.clears_within, a.unit, s.reference_id
    HAVING sum(s.delta) <> 0
       AND min(s.booked_at) < foundation.handsel_now() - k.clears_within
     ORDER BY 5 LIMIT p_limit
$$;
REVOKE EXECUTE ON FUNCTION money.clearing_overdue FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.clearing_overdue TO handsel_app;
