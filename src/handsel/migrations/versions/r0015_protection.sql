-- Locked accounts, recovery codes, protection claims.

-- A lock stops payments and payouts of a member until they have proven who they are (`secured_at`);
-- payouts also until its cause is over (`ended_at`). Money still arrives: the lock is the member's,
-- not the wallet's.
CREATE TABLE people.locks (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    cause text NOT NULL CHECK (cause IN ('code', 'claim')),
    reference_id uuid, -- the claim
    locked_at timestamptz NOT NULL,
    secured_at timestamptz,
    ended_at timestamptz,
    CHECK ((cause = 'claim') = (reference_id IS NOT NULL))
);
CREATE INDEX locks_live ON people.locks (member_id) WHERE secured_at IS NULL OR ended_at IS NULL;
CREATE INDEX locks_by_member ON people.locks (member_id, id);
CREATE INDEX locks_by_reference ON people.locks (reference_id) WHERE reference_id IS NOT NULL;
GRANT SELECT ON people.locks TO handsel_app;
GRANT UPDATE (secured_at, ended_at) ON people.locks TO handsel_app;

-- none; payouts (nothing leaves to banks and cards, contacts stay); account (nothing is paid either).
CREATE FUNCTION people.freeze_of(p_member uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT CASE WHEN bool_or(l.secured_at IS NULL) THEN 'account'
                WHEN count(*) > 0 THEN 'payouts' ELSE 'none' END
      FROM people.locks l
     WHERE l.member_id = p_member AND (l.secured_at IS NULL OR l.ended_at IS NULL)
$$;

-- The same for somebody who acts on it: a lock that is being set now is waited for.
CREATE FUNCTION people.freeze_now(p_member uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM FROM people.members WHERE id = p_member FOR SHARE;
    RETURN people.freeze_of(p_member);
END $$;

-- The standing is locked first, as a payment does: a payment that is being decided now is either
-- committed before the lock or sees it.
CREATE FUNCTION people.lock_account(
    p_member uuid, p_cause text, p_reference uuid, p_keep_session uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    lock_id uuid;
BEGIN
    PERFORM people.lock_standing(p_member);
    PERFORM FROM people.members WHERE id = p_member FOR NO KEY UPDATE;
    INSERT INTO people.locks (member_id, cause, reference_id, locked_at)
    VALUES (p_member, p_cause, p_reference, foundation.handsel_now()) RETURNING id INTO lock_id;
    UPDATE people.sessions SET ended_at = foundation.handsel_now()
     WHERE member_id = p_member AND ended_at IS NULL AND id IS DISTINCT FROM p_keep_session;
    RETURN lock_id;
END $$;

-- The gate's one look at the payer, with the lock.
CREATE OR REPLACE FUNCTION people.view_standing(p_payer uuid, p_payee uuid) RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, public, pg_temp AS $$
    SELECT jsonb_build_object(
        'decision_id', uuidv7(),
        'now', foundation.handsel_now(),
        'payer', people.standing_of(p_payer),
        'payee', people.standing_of(p_payee),
        'used_24h_minor', people.used_exposure(p_payer, '24 hours'),
        'used_30d_minor', people.used_exposure(p_payer, '30 days'),
        'payer_locked', EXISTS (SELECT FROM people.locks l
                                 WHERE l.member_id = p_payer AND l.secured_at IS NULL),
        'known_payee', EXISTS (SELECT FROM people.settlements s
                                WHERE s.buyer_id = p_payer AND s.seller_id = p_payee))
$$;

-- Recovery codes: one use each; a new set voids the old one.
CREATE TABLE people.recovery_codes (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    code_hmac bytea NOT NULL CHECK (length(code_hmac) = 32),
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX recovery_codes_by_member ON people.recovery_codes (member_id);
GRANT SELECT, INSERT, DELETE ON people.recovery_codes TO handsel_app;
GRANT UPDATE (used_at) ON people.recovery_codes TO handsel_app;

-- A third purpose of a code that is sent: to lift a lock.
ALTER TABLE people.codes DROP CONSTRAINT codes_purpose_check, DROP CONSTRAINT codes_check,
    ADD CONSTRAINT codes_purpose_check CHECK (purpose IN ('sign_up', 'verify', 'unlock')),
    ADD CONSTRAINT codes_check CHECK ((purpose = 'sign_up') = (member_id IS NULL));

REVOKE EXECUTE ON FUNCTION people.freeze_of, people.freeze_now, people.lock_account FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.freeze_of, people.freeze_now, people.lock_account TO handsel_app;

-- What stops a payout at the point of no return: now also a lock.
CREATE OR REPLACE FUNCTION money.payout_stop(p_member uuid, p_unit text) RETURNS text
LANGUAGE sql STABLE SET search_path = money, pg_temp AS $$
    SELECT CASE WHEN people.freeze_of(p_member) <> 'none' THEN 'payouts_frozen'
        WHEN EXISTS (
            SELECT FROM money.holds h WHERE h.payee_id = p_member AND h.unit = p_unit
               AND h.disputed_at IS NOT NULL) THEN 'payment_disputed' END
$$;

-- Claims -----------------------------------------------------------------------------------------

INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('provisional_credit', 'frees', 'lent to a member while their claim is looked into'),
    ('provisional_reversed', 'frees', 'the claim was not upheld: the provisional credit goes back'),
    ('claim_paid', 'frees', 'the claim was upheld'),
    ('claim_recovered', 'frees', 'got back from whoever had it');

-- `credited` is provisional until the claim is decided; `paid` is what the member then keeps of all
-- that came from the fund, `owed` what could not be taken back and became a debt.
CREATE TABLE money.claims (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    state text NOT NULL DEFAULT 'investigating'
        CHECK (state IN ('investigating', 'upheld', 'denied', 'withdrawn', 'recovered')),
    what_happened text NOT NULL CHECK (length(what_happened) BETWEEN 1 AND 2000),
    since timestamptz NOT NULL,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL CONSTRAINT claims_unit_fkey REFERENCES money.units,
    policy_version text NOT NULL,
    credit_reasons text[] NOT NULL DEFAULT '{}', -- why there was no credit, or not all of it
    credited bigint NOT NULL DEFAULT 0 CHECK (credited BETWEEN 0 AND amount),
    paid bigint NOT NULL DEFAULT 0 CHECK (paid BETWEEN 0 AND amount),
    owed bigint NOT NULL DEFAULT 0 CHECK (owed BETWEEN 0 AND credited),
    recovered bigint NOT NULL DEFAULT 0 CHECK (recovered BETWEEN 0 AND paid),
    filed_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    extended_at timestamptz,
    decided_at timestamptz,
    decided_by text CHECK (decided_by IN ('staff', 'time', 'member')),
    reasons text[] NOT NULL DEFAULT '{}',
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    proposed_by uuid REFERENCES people.members, -- waits for a second member of staff
    proposal jsonb,
    CONSTRAINT claims_decided CHECK (
        (state = 'investigating') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    CONSTRAINT claims_paid_when_upheld CHECK (state IN ('upheld', 'recovered') OR paid = 0),
    CHECK ((proposed_by IS NULL) = (proposal IS NULL))
);
CREATE UNIQUE INDEX claims_one_open ON money.claims (member_id) WHERE state = 'investigating';
CREATE INDEX claims_by_member ON money.claims (member_id, id);
CREATE INDEX claims_due ON money.claims (deadline_at) WHERE state = 'investigating';

-- What was lost, named by what the ledger calls it: an order, a withdrawal. Once in one claim, also
-- after it was denied; free again when it was withdrawn or when nobody decided.
CREATE TABLE money.claim_items (
    claim_id uuid NOT NULL REFERENCES money.claims,
    member_id uuid NOT NULL REFERENCES people.members,
    reference_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('order', 'withdrawal')),
    amount bigint NOT NULL CHECK (amount > 0), -- the loss when it was filed
    confirmed boolean NOT NULL, -- by the member's password
    live boolean NOT NULL DEFAULT true,
    PRIMARY KEY (claim_id, reference_id)
);
CREATE UNIQUE INDEX claim_items_once ON money.claim_items (member_id, reference_id) WHERE live;

-- The timeline. Never changed.
CREATE TABLE money.claim_steps (
    claim_id uuid NOT NULL REFERENCES money.claims,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    step text NOT NULL CHECK (step ~ '^[a-z_]{2,40}$'),
    role text NOT NULL CHECK (role IN ('member', 'staff', 'system')),
    actor_id uuid,
    note text NOT NULL DEFAULT '',
    money jsonb NOT NULL DEFAULT '[]',
    at timestamptz NOT NULL,
    PRIMARY KEY (claim_id, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.claim_steps
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE FUNCTION money.note_claim(
    p_claim uuid, p_step text, p_role text, p_actor uuid, p_note text, p_money jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = money, pg_temp AS $$
    INSERT INTO money.claim_steps (claim_id, step, role, actor_id, note, money, at)
    VALUES (p_claim, p_step, p_role, p_actor, p_note, p_money, foundation.handsel_now())
$$;

-- What the payer's bank has taken back of these holds, or may: nobody is paid twice.
CREATE FUNCTION money.charged_back(p_holds uuid[]) RETURNS TABLE (hold_id uuid, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT p.hold_id, sum(p.amount)::bigint FROM money.chargeback_parts p
      JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
     WHERE p.hold_id = ANY (p_holds) AND c.state <> 'won' GROUP BY p.hold_id
$$;

-- The fund against what may be asked of it, as everybody may see it; made again every minute.
CREATE TABLE money.fund_ratios (
    unit text PRIMARY KEY REFERENCES money.units,
    balance bigint NOT NULL,
    exposure bigint NOT NULL,
    provisional bigint NOT NULL,
    at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON money.claims, money.fund_ratios TO handsel_app;
GRANT SELECT, INSERT ON money.claim_items TO handsel_app;
GRANT UPDATE (live) ON money.claim_items TO handsel_app;
GRANT SELECT ON money.claim_steps TO handsel_app;
REVOKE EXECUTE ON FUNCTION money.note_claim, money.charged_back FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.note_claim, money.charged_back TO handsel_app;

-- ---- Foundation: durability (not protection's; keep at the end) ---------------------------------

-- Whether a COMMIT would wait for standbys that are not there: /readyz asks. The application's role
-- may not see pg_stat_replication; the owner may where the first set-up could grant it, and
-- otherwise any walsender counts.
CREATE FUNCTION foundation.standby_missing() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
DECLARE
    asked text := current_setting('synchronous_standby_names');
    -- "ANY 2 (a, b)", "FIRST 1 (a, b)", "2 (a, b)", or a plain list, of which one is enough.
    needed int := coalesce((regexp_match(asked, '^\s*(?:any\s|first\s)?\s*(\d+)\s*\(', 'i'))[1]::int, 1);
BEGIN
    RETURN asked <> '' AND needed > (
        SELECT count(*) FROM pg_catalog.pg_stat_replication r
         WHERE coalesce(r.sync_state, 'unseen') IN ('sync', 'quorum', 'unseen'));
END $$;
REVOKE EXECUTE ON FUNCTION foundation.standby_missing() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION foundation.standby_missing() TO handsel_app;
