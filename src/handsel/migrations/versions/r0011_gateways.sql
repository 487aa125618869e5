-- What a payment provider tells us by itself. The row is written before anything is believed: one
-- event has one effect, whatever comes twice, late or out of order.
CREATE TABLE money.provider_events (
    source text NOT NULL,
    event_id text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
    kind text NOT NULL,
    reference text NOT NULL, -- the provider's id of what it is about
    body jsonb NOT NULL, -- as normalised: no field of it can hold a card number
    raw_sha256 bytea NOT NULL,
    occurred_at timestamptz NOT NULL, -- by the provider's clock
    received_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'handled', 'ignored')),
    outcome text, -- what was done, or why nothing
    handled_at timestamptz,
    ask_at timestamptz NOT NULL, -- when the sweep hands it to a job (again)
    attempts int NOT NULL DEFAULT 0,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX provider_events_open ON money.provider_events (ask_at) WHERE state = 'received';
CREATE INDEX provider_events_by_reference ON money.provider_events (reference, occurred_at);

-- The same event id with another body: somebody forges, or the provider errs. Never acted on.
CREATE TABLE money.quarantined_events (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    source text NOT NULL,
    event_id text NOT NULL,
    raw_sha256 bytea NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT quarantined_once UNIQUE (source, event_id, raw_sha256)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.quarantined_events
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- What somebody of the house has to look at; the desk's queue when there is one.
CREATE TABLE money.alerts (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    kind text NOT NULL CHECK (kind ~ '^[a-z_]{2,60}$'),
    subject text NOT NULL,
    text text NOT NULL,
    raised_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE UNIQUE INDEX alerts_once ON money.alerts (kind, subject) WHERE closed_at IS NULL;
GRANT SELECT, INSERT ON money.provider_events, money.quarantined_events, money.alerts TO handsel_app;
GRANT UPDATE (state, outcome, handled_at, ask_at, attempts) ON money.provider_events TO handsel_app;
GRANT UPDATE (closed_at, text) ON money.alerts TO handsel_app;

-- A top-up may need a step of its payer, and its answer may come later.
ALTER TABLE money.top_ups
    DROP CONSTRAINT top_ups_state_check,
    ADD CONSTRAINT top_ups_state_check
        CHECK (state IN ('pending', 'requires_action', 'succeeded', 'failed')),
    DROP CONSTRAINT top_ups_token_check,
    ADD CONSTRAINT top_ups_token_check CHECK (token ~ '^[a-z]{2,6}_[A-Za-z0-9_]{1,250}$'),
    ADD COLUMN action_url text,
    ADD COLUMN ask_at timestamptz,
    ADD COLUMN attempts int NOT NULL DEFAULT 0;
ALTER TABLE money.payout_methods
    DROP CONSTRAINT payout_methods_token_check,
    ADD CONSTRAINT payout_methods_token_check CHECK (token ~ '^[a-z]{2,6}_[A-Za-z0-9_]{1,250}$');
UPDATE money.top_ups SET ask_at = created_at WHERE state = 'pending';
CREATE INDEX top_ups_to_ask ON money.top_ups (ask_at) WHERE state IN ('pending', 'requires_action');

-- The sandbox provider's own memory, as a company elsewhere would keep it: nothing of ours refers
-- to it. What it did (objects), what it is going to tell (events), and its books (lines).
ALTER TABLE money.sandbox_provider
    ADD COLUMN state text,
    ADD COLUMN at timestamptz NOT NULL DEFAULT '-infinity';
CREATE TABLE money.sandbox_events (
    id text PRIMARY KEY DEFAULT 'evt_' || replace(uuidv7()::text, '-', ''),
    body jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX sandbox_events_due ON money.sandbox_events (due_at) WHERE delivered_at IS NULL;
CREATE TABLE money.sandbox_lines (
    id text PRIMARY KEY DEFAULT 'txn_' || replace(uuidv7()::text, '-', ''),
    kind text NOT NULL,
    reference text NOT NULL,
    amount bigint NOT NULL, -- as the provider's balance sees it
    fee bigint NOT NULL DEFAULT 0,
    unit text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX sandbox_lines_by_time ON money.sandbox_lines (at);
CREATE TABLE money.sandbox_outage (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    down_until timestamptz NOT NULL
);
INSERT INTO money.sandbox_outage (down_until) VALUES ('-infinity');
GRANT SELECT, INSERT, UPDATE ON money.sandbox_events, money.sandbox_outage TO handsel_app;
GRANT SELECT, INSERT ON money.sandbox_lines TO handsel_app;
