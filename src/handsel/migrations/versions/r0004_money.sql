CREATE SCHEMA money;
GRANT USAGE ON SCHEMA money TO handsel_app;

-- What money is counted in: ISO 4217 currencies now, our own units (hours) when they come.
CREATE TABLE money.units (
    code text PRIMARY KEY CHECK (code ~ '^[A-Z]{3,8}$'),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4)
);
INSERT INTO money.units (code, exponent) VALUES
    ('AED', 2), ('ARS', 2), ('AUD', 2), ('BDT', 2), ('BGN', 2), ('BHD', 3), ('BRL', 2),
    ('CAD', 2), ('CHF', 2), ('CLP', 0), ('CNY', 2), ('COP', 2), ('CZK', 2), ('DKK', 2),
    ('EGP', 2), ('EUR', 2), ('GBP', 2), ('GHS', 2), ('HKD', 2), ('HUF', 2), ('IDR', 2),
    ('ILS', 2), ('INR', 2), ('ISK', 0), ('JOD', 3), ('JPY', 0), ('KES', 2), ('KRW', 0),
    ('KWD', 3), ('LKR', 2), ('MAD', 2), ('MXN', 2), ('MYR', 2), ('NGN', 2), ('NOK', 2),
    ('NZD', 2), ('OMR', 3), ('PEN', 2), ('PHP', 2), ('PKR', 2), ('PLN', 2), ('RON', 2),
    ('SAR', 2), ('SEK', 2), ('SGD', 2), ('THB', 2), ('TND', 3), ('TRY', 2),
    ('TWD', 2), ('TZS', 2), ('UAH', 2), ('UGX', 0), ('USD', 2), ('VND', 0), ('XOF', 0),
    ('ZAR', 2);

-- The chart of accounts. Balances are credits minus debits, so what the house owes people is
-- positive and what the provider holds for us is negative. An account that many write to at once
-- is insert-only ("folded"): its balance is the sum of its transfers, never a hot row.
CREATE TABLE money.account_kinds (
    kind text PRIMARY KEY,
    normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    owner text NOT NULL CHECK (owner IN ('member', 'order', 'house')),
    min_balance bigint,
    folded boolean NOT NULL,
    meaning text NOT NULL
);
INSERT INTO money.account_kinds VALUES
    ('wallet', 'credit', 'member', 0, false, 'what a member may spend or withdraw'),
    ('pending', 'credit', 'member', 0, false, 'earned, and waiting for the hold period to end'),
    ('escrow', 'credit', 'order', 0, false, 'held for one order until the work is done'),
    ('fee', 'credit', 'house', NULL, true, 'fees earned'),
    ('protection_fund', 'credit', 'house', NULL, true, 'set aside for members who were robbed'),
    ('payout_transit', 'credit', 'house', NULL, true, 'on the way to members'' banks'),
    ('provider_clearing', 'debit', 'house', NULL, true, 'what the payment provider holds for us');

-- An account's id follows from what it is: nobody looks it up, and it cannot exist twice.
CREATE FUNCTION money.account_id(p_kind text, p_owner uuid, p_unit text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT md5(p_kind || ':' || p_owner || ':' || p_unit)::uuid
$$;

CREATE TABLE money.accounts (
    -- Generated, not checked: a CHECK would compute it again at every change of the balance.
    id uuid GENERATED ALWAYS AS (money.account_id(kind, owner_id, unit)) STORED PRIMARY KEY,
    kind text NOT NULL REFERENCES money.account_kinds,
    owner_id uuid NOT NULL, -- the nil UUID is the house
    unit text NOT NULL REFERENCES money.units,
    balance bigint NOT NULL DEFAULT 0,
    min_balance bigint,
    folded boolean NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'closed')),
    CONSTRAINT accounts_not_overdrawn CHECK (min_balance IS NULL OR balance >= min_balance),
    CONSTRAINT accounts_folded_has_no_balance CHECK (NOT folded OR balance = 0),
    CONSTRAINT accounts_closed_is_empty CHECK (state <> 'closed' OR balance = 0),
    UNIQUE (id, unit)
) WITH (fillfactor = 70); -- room for the new version of a row on its own page
CREATE INDEX accounts_by_owner ON money.accounts (owner_id);

CREATE TABLE money.holds (
    id uuid PRIMARY KEY,
    reference_id uuid NOT NULL,
    unit text NOT NULL REFERENCES money.units,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    payer_account uuid NOT NULL,
    escrow_account uuid NOT NULL,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'released', 'refunded', 'split', 'expired')),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    fee bigint NOT NULL DEFAULT 0 CHECK (fee >= 0),
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    resolved_at timestamptz,
    CONSTRAINT holds_sum CHECK (
        CASE WHEN state = 'open' THEN released + refunded + fee = 0 AND resolved_at IS NULL
             ELSE released + refunded + fee = amount AND resolved_at IS NOT NULL END),
    -- The provider's own holds end at 90 days; ours end before.
    CONSTRAINT holds_at_most_75_days CHECK (expires_at <= opened_at + interval '75 days'),
    FOREIGN KEY (payer_account, unit) REFERENCES money.accounts (id, unit),
    FOREIGN KEY (escrow_account, unit) REFERENCES money.accounts (id, unit)
);
CREATE INDEX holds_by_reference ON money.holds (reference_id);
CREATE INDEX holds_open ON money.holds (escrow_account) WHERE state = 'open';
CREATE INDEX holds_open_by_payer ON money.holds (payer_account) WHERE state = 'open';

-- One transfer has one debit side, one credit side and one unit: unbalanced cannot be written down.
CREATE TABLE money.transfers (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    unit text NOT NULL,
    debit_account uuid NOT NULL,
    credit_account uuid NOT NULL,
    amount bigint NOT NULL CONSTRAINT transfers_amount CHECK (amount BETWEEN 1 AND 1000000000000000),
    code text NOT NULL, -- why
    reference_id uuid NOT NULL, -- what for: an order, a top-up, a withdrawal
    hold_id uuid REFERENCES money.holds,
    reversal_of uuid REFERENCES money.transfers,
    -- The balance that each side had afterwards (NULL on folded accounts): the statement's column.
    debit_balance bigint,
    credit_balance bigint,
    booked_at timestamptz NOT NULL,
    value_date date NOT NULL,
    CONSTRAINT transfers_two_accounts CHECK (debit_account <> credit_account),
    FOREIGN KEY (debit_account, unit) REFERENCES money.accounts (id, unit),
    FOREIGN KEY (credit_account, unit) REFERENCES money.accounts (id, unit)
);
CREATE INDEX transfers_by_debit ON money.transfers (debit_account, id);
CREATE INDEX transfers_by_credit ON money.transfers (credit_account, id);
-- Partial, since nearly every transfer reverses nothing.
CREATE UNIQUE INDEX transfers_reversed_once ON money.transfers (reversal_of)
    WHERE reversal_of IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

CREATE FUNCTION money.open_accounts(p_kinds text[], p_owners uuid[], p_units text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
BEGIN
    INSERT INTO money.accounts (kind, owner_id, unit, min_balance, folded)
    SELECT k.kind, a.owner, a.unit, k.min_balance, k.folded
      FROM unnest(p_kinds, p_owners, p_units) AS a (kind, owner, unit)
      JOIN money.account_kinds k ON k.kind = a.kind
    ON CONFLICT (id) DO NOTHING;
END $$;

-- Why an account's balance was not changed. NULL balances are right for folded accounts only.
CREATE FUNCTION money.explain_refusal(p_account uuid, p_unit text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    account money.accounts;
BEGIN
    SELECT * INTO account FROM money.accounts WHERE id = p_account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_account' USING ERRCODE = 'HS001', DETAIL = 'there is no such account';
    ELSIF account.unit <> p_unit THEN
        RAISE EXCEPTION 'unit_mismatch' USING ERRCODE = 'HS001',
            DETAIL = format('the account is in %s, the transfer in %s', account.unit, p_unit);
    ELSIF account.state <> 'open' THEN
        RAISE EXCEPTION 'account_not_open' USING ERRCODE = 'HS001',
            DETAIL = format('the account is %s', account.state);
    END IF;
END $$;

-- The one posting function. Linked transfers: all or none, in the order given. Rows are locked in
-- ascending order of account id, whatever the order of the transfers; one transfer alone needs no
-- locking statement, since its two updates come in that order.
CREATE FUNCTION money.post(
    p_debits uuid[], p_credits uuid[], p_amounts bigint[], p_units text[], p_codes text[],
    p_reference uuid, p_hold uuid DEFAULT NULL, p_reversal_of uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    sides uuid[];
    deltas bigint[];
    balances bigint[];
    side int;
    after bigint;
BEGIN
    IF cardinality(p_debits) > 1 THEN
        PERFORM FROM money.accounts
          WHERE id = ANY (p_debits || p_credits) AND NOT folded ORDER BY id FOR NO KEY UPDATE;
    END IF;
    FOR i IN 1 .. cardinality(p_debits) LOOP
        IF p_amounts[i] NOT BETWEEN 1 AND 1000000000000000 THEN
            RAISE EXCEPTION 'invalid_amount' USING ERRCODE = 'HS001';
        END IF;
        sides := ARRAY[p_debits[i], p_credits[i]];
        deltas := ARRAY[-p_amounts[i], p_amounts[i]];
        balances := ARRAY[NULL, NULL];
        FOREACH side IN ARRAY CASE WHEN sides[1] < sides[2] THEN '{1,2}'::int[] ELSE '{2,1}' END LOOP
            UPDATE money.accounts SET balance = balance + deltas[side]
             WHERE id = sides[side] AND unit = p_units[i] AND state = 'open' AND NOT folded
            RETURNING balance INTO after;
            IF FOUND THEN
                balances[side] := after;
            ELSE
                PERFORM money.explain_refusal(sides[side], p_units[i]);
            END IF;
        END LOOP;
        INSERT INTO money.transfers (unit, debit_account, credit_account, amount, code, reference_id,
            hold_id, reversal_of, debit_balance, credit_balance, booked_at, value_date)
        VALUES (p_units[i], sides[1], sides[2], p_amounts[i], p_codes[i], p_reference,
            p_hold, p_reversal_of, balances[1], balances[2], at, (at AT TIME ZONE 'UTC')::date);
    END LOOP;
END $$;

CREATE FUNCTION money.open_hold(
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

-- Resolve a hold, exactly once and whole: the legs (release, refund, fee) must sum to its amount.
CREATE FUNCTION money.resolve_hold(
    p_hold uuid, p_state text, p_credits uuid[], p_amounts bigint[], p_legs text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds;
    legs int := cardinality(p_credits);
BEGIN
    SELECT * INTO held FROM money.holds WHERE id = p_hold FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_hold' USING ERRCODE = 'HS001', DETAIL = 'there is no such hold';
    ELSIF held.state <> 'open' THEN
        RAISE EXCEPTION 'hold_resolved' USING ERRCODE = 'HS001',
            DETAIL = format('the hold is already %s', held.state);
    END IF;
    UPDATE money.holds SET state = p_state, resolved_at = foundation.handsel_now(),
        released = (SELECT coalesce(sum(l.amount), 0) FROM unnest(p_amounts, p_legs) AS l (amount, leg)
                     WHERE l.leg = 'release'),
        refunded = (SELECT coalesce(sum(l.amount), 0) FROM unnest(p_amounts, p_legs) AS l (amount, leg)
                     WHERE l.leg = 'refund'),
        fee = (SELECT coalesce(sum(l.amount), 0) FROM unnest(p_amounts, p_legs) AS l (amount, leg)
                WHERE l.leg IN ('fee', 'fund_share'))
     WHERE id = p_hold;
    PERFORM money.post(array_fill(held.escrow_account, ARRAY[legs]), p_credits, p_amounts,
        array_fill(held.unit, ARRAY[legs]), p_legs, held.reference_id, p_hold);
END $$;

-- Undo a transfer by its mirror image; the UNIQUE on reversal_of lets it happen once.
CREATE FUNCTION money.reverse(p_transfer uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    was money.transfers;
BEGIN
    -- Locked, so that of two reversals at once the second sees the first, and not the lack of money
    -- that it leaves behind.
    SELECT * INTO was FROM money.transfers WHERE id = p_transfer FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown_transfer' USING ERRCODE = 'HS001', DETAIL = 'there is no such transfer';
    END IF;
    -- Money of a hold moves by resolving it: undone here, the hold and its escrow would disagree.
    IF was.hold_id IS NOT NULL THEN
        RAISE EXCEPTION 'transfer_of_hold' USING ERRCODE = 'HS001';
    END IF;
    IF EXISTS (SELECT FROM money.transfers WHERE reversal_of = p_transfer) THEN
        RAISE EXCEPTION 'already_reversed' USING ERRCODE = 'HS001';
    END IF;
    PERFORM money.post(ARRAY[was.credit_account], ARRAY[was.debit_account], ARRAY[was.amount],
        ARRAY[was.unit], ARRAY['reversal'], was.reference_id, NULL, p_transfer);
END $$;

-- Balance of any account, folded or not, as its transfers tell it.
CREATE FUNCTION money.folded_balance(p_account uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT coalesce((SELECT sum(amount) FROM money.transfers WHERE credit_account = p_account), 0)::bigint
         - coalesce((SELECT sum(amount) FROM money.transfers WHERE debit_account = p_account), 0)::bigint
$$;

-- The house's own accounts, one of each kind in every unit.
INSERT INTO money.accounts (kind, owner_id, unit, min_balance, folded)
SELECT k.kind, '00000000-0000-0000-0000-000000000000', u.code, k.min_balance, k.folded
  FROM money.account_kinds k CROSS JOIN money.units u WHERE k.owner = 'house';

GRANT SELECT ON ALL TABLES IN SCHEMA money TO handsel_app;

-- What goes through the payment provider. The rows are the intent; the ledger is the fact.
CREATE TABLE money.top_ups (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    token text NOT NULL CHECK (token ~ '^tok_[a-z0-9_]{1,60}$'),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'succeeded', 'failed')),
    failure text,
    provider_reference text UNIQUE,
    created_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX top_ups_by_member ON money.top_ups (member_id, id);
CREATE TABLE money.payout_methods (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    token text NOT NULL CHECK (token ~ '^bank_[a-z0-9_]{1,60}$'),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 60),
    created_at timestamptz NOT NULL,
    UNIQUE (member_id, token)
);
CREATE TABLE money.withdrawals (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    method_id uuid NOT NULL REFERENCES money.payout_methods,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'paid', 'returned')),
    failure text,
    provider_reference text UNIQUE,
    created_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX withdrawals_by_member ON money.withdrawals (member_id, id);
GRANT SELECT, INSERT, UPDATE ON money.top_ups, money.withdrawals TO handsel_app;
GRANT SELECT, INSERT ON money.payout_methods TO handsel_app;

-- The sandbox provider's own memory: what it was asked under which key, and what it answered. It
-- stands for a company elsewhere, so nothing of ours refers to it.
CREATE TABLE money.sandbox_provider (
    idempotency_key text PRIMARY KEY,
    request jsonb NOT NULL,
    outcome text NOT NULL,
    reference text NOT NULL UNIQUE DEFAULT 'sbx_' || replace(uuidv7()::text, '-', ''),
    attempts int NOT NULL DEFAULT 1
);
GRANT SELECT, INSERT, UPDATE ON money.sandbox_provider TO handsel_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA money FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.account_id, money.open_accounts, money.post, money.open_hold,
    money.resolve_hold, money.reverse, money.folded_balance TO handsel_app;
