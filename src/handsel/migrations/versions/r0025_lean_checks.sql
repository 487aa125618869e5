-- PostgreSQL reads the text of every CHECK of a table again with each statement that changes a row:
-- some four microseconds a kilobyte, and a posting changes two accounts. So what cannot change with
-- the balance is kept by other means, and what can is said in fewer words; NULL lets a CHECK pass.
CREATE TABLE money.account_states (state text PRIMARY KEY);
INSERT INTO money.account_states VALUES ('open'), ('frozen'), ('closed');
GRANT SELECT ON money.account_states TO handsel_app;

ALTER TABLE money.accounts
    DROP CONSTRAINT accounts_state_check,
    ADD CONSTRAINT accounts_state FOREIGN KEY (state) REFERENCES money.account_states,
    DROP CONSTRAINT accounts_time_is_no_money,
    DROP CONSTRAINT accounts_not_overdrawn,
    ADD CONSTRAINT accounts_not_overdrawn CHECK (balance >= min_balance),
    DROP CONSTRAINT accounts_not_overpaid,
    ADD CONSTRAINT accounts_not_overpaid CHECK (balance <= max_balance),
    DROP CONSTRAINT accounts_restricted_is_there,
    ADD CONSTRAINT accounts_restricted_is_there CHECK (restricted <= greatest(balance, 0)),
    DROP CONSTRAINT accounts_folded_has_no_balance,
    DROP CONSTRAINT accounts_closed_is_empty,
    ADD CONSTRAINT accounts_closed_is_empty CHECK (balance = 0 OR NOT (folded OR state = 'closed'));

-- Kind and unit never change: asked once, when an account is opened. Not BEFORE UPDATE, of whatever
-- columns: with such a trigger PostgreSQL locks the row apart from changing it, and of a hundred who
-- want one wallet most then wait in vain.
CREATE FUNCTION money.check_time_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'time' AND NEW.unit <> 'MIN' THEN
        RAISE EXCEPTION 'accounts_time_is_no_money: a time account counts minutes' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'accounts_time_is_no_money';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION money.check_time_account FROM PUBLIC;
CREATE TRIGGER time_is_no_money BEFORE INSERT ON money.accounts
    FOR EACH ROW EXECUTE FUNCTION money.check_time_account();
