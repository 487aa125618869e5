-- From person to person: money that is given, codes to pay at, hours instead of money.

-- Our own unit: minutes, for the hours that members give and take. It has no rate, no card and no
-- bank, so it is no currency.
ALTER TABLE money.units ADD COLUMN kind text NOT NULL DEFAULT 'currency'
    CHECK (kind IN ('currency', 'time'));
INSERT INTO money.units (code, exponent, kind) VALUES ('MIN', 0, 'time');

-- Hours have accounts of their own kind, which nothing that enters or leaves the house knows. Whoever
-- comes with nothing may take ten hours before giving one; all accounts together are zero for ever.
INSERT INTO money.account_kinds
    (kind, normal_side, owner, min_balance, max_balance, folded, clears_within, meaning) VALUES
    ('time', 'credit', 'member', -600, NULL, false, NULL, 'minutes given less minutes taken; ten hours may be owed');
-- Its floor is below zero: in a currency that would be an overdraft.
ALTER TABLE money.accounts ADD CONSTRAINT accounts_time_is_no_money
    CHECK (kind <> 'time' OR unit = 'MIN');

INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('arrive', 'carries', 'given from person to person: card money stays card money');

-- All that is left of a hold to its payee at once: a gift and an hour are no sale, so there is no fee
-- and nothing waits. What had come by card arrives as card money, or a gift would turn cards into
-- cash. It goes to the account of the kind that it came from. A disputed hold only goes back.
CREATE FUNCTION money.arrive(p_hold uuid, p_payee uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    held money.holds := money.lock_hold(p_hold);
    rest bigint := held.amount - held.refunded;
    account text;
    credit uuid;
BEGIN
    IF held.disputed_at IS NOT NULL THEN
        RAISE EXCEPTION 'payment_disputed' USING ERRCODE = 'HS001';
    END IF;
    SELECT a.kind INTO account FROM money.accounts a WHERE a.id = held.payer_account;
    credit := money.account_id(account, p_payee, held.unit);
    IF account NOT IN ('wallet', 'time') OR credit = held.payer_account THEN
        RAISE EXCEPTION 'wrong_leg' USING ERRCODE = 'HS001';
    END IF;
    PERFORM money.open_accounts(ARRAY[account], ARRAY[p_payee], ARRAY[held.unit]);
    UPDATE money.holds SET state = CASE refunded WHEN 0 THEN 'released' ELSE 'split' END,
        resolved_at = foundation.handsel_now(), released = rest, payee_id = p_payee
     WHERE id = p_hold;
    PERFORM money.post(ARRAY[held.escrow_account], ARRAY[credit], ARRAY[rest], ARRAY[held.unit],
        ARRAY['arrive'], held.reference_id, p_hold);
END $$;
REVOKE EXECUTE ON FUNCTION money.arrive FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.arrive TO handsel_app;

-- What a seller shows to be paid on the spot. Without an amount the payer says how much. The code is
-- public: it names who is paid, and moves nothing.
CREATE TABLE deals.pay_codes (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    code text NOT NULL CONSTRAINT pay_codes_code_key UNIQUE CHECK (code ~ '^[0-9A-HJKMNP-TV-Z]{12}$'),
    owner_id uuid NOT NULL REFERENCES people.members,
    listing_id uuid REFERENCES catalog.listings,
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
    amount bigint CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX pay_codes_by_owner ON deals.pay_codes (owner_id, id);
GRANT SELECT, INSERT, UPDATE (revoked_at) ON deals.pay_codes TO handsel_app;
