CREATE SCHEMA IF NOT EXISTS people;
GRANT USAGE ON SCHEMA people TO handsel_app;

CREATE TABLE people.members (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    handle text NOT NULL CONSTRAINT members_handle_key UNIQUE
        CHECK (handle ~ '^[a-z][a-z0-9_-]{1,28}[a-z0-9]$'),
    -- Normalised: trimmed and lower case; E.164.
    email text CONSTRAINT members_email_key UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    phone text CONSTRAINT members_phone_key UNIQUE CHECK (phone ~ '^\+[1-9][0-9]{3,14}$'),
    password_hash text, -- NULL: nobody can log in (owners of imported listings)
    bio text NOT NULL DEFAULT '' CHECK (length(bio) <= 500),
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'friends_only', 'quiet', 'travel', 'locked')),
    is_staff boolean NOT NULL DEFAULT false,
    is_sandbox boolean NOT NULL DEFAULT false,
    version int NOT NULL DEFAULT 1,
    joined_at timestamptz NOT NULL,
    CONSTRAINT members_reachable CHECK (is_sandbox OR email IS NOT NULL OR phone IS NOT NULL)
);
GRANT SELECT, INSERT ON people.members TO handsel_app;
GRANT UPDATE (email, phone, password_hash, bio, state, version) ON people.members TO handsel_app;

CREATE TABLE people.sessions (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    label text NOT NULL DEFAULT '' CHECK (length(label) <= 200),
    address_hmac bytea, -- to know a device's address again, not to read it
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sessions_by_member ON people.sessions (member_id, id);
GRANT SELECT, INSERT ON people.sessions TO handsel_app;
GRANT UPDATE (ended_at) ON people.sessions TO handsel_app;

-- One-time codes. Only the newest of a recipient and purpose counts; each try is counted before the
-- code is compared.
CREATE TABLE people.codes (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    purpose text NOT NULL CHECK (purpose IN ('sign_up', 'verify')),
    member_id uuid REFERENCES people.members,
    recipient text NOT NULL,
    code_hmac bytea NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CHECK ((purpose = 'verify') = (member_id IS NOT NULL))
);
CREATE INDEX codes_by_recipient ON people.codes (recipient, purpose, id);
CREATE INDEX codes_by_expiry ON people.codes (expires_at);
GRANT SELECT, INSERT, DELETE ON people.codes TO handsel_app;
GRANT UPDATE (attempts, used_at) ON people.codes TO handsel_app;

CREATE TABLE people.verifications (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    kind text NOT NULL
        CHECK (kind IN ('email', 'phone', 'id_document', 'bank_account', 'address')),
    state text NOT NULL CHECK (state IN ('pending', 'passed')),
    reference text, -- the verifier's own name of the case; never the document
    due_at timestamptz, -- when a pending one is asked about again
    created_at timestamptz NOT NULL,
    passed_at timestamptz,
    CONSTRAINT verifications_once UNIQUE (member_id, kind),
    CHECK ((state = 'passed') = (passed_at IS NOT NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
);
CREATE INDEX verifications_due ON people.verifications (due_at) WHERE state = 'pending';
GRANT SELECT, INSERT ON people.verifications TO handsel_app;
GRANT UPDATE (state, due_at, passed_at) ON people.verifications TO handsel_app;

-- What the sandbox's SMS and mail providers "sent".
CREATE TABLE people.sandbox_messages (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    channel text NOT NULL CHECK (channel IN ('sms', 'mail')),
    recipient text NOT NULL,
    text text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX sandbox_messages_by_recipient ON people.sandbox_messages (recipient, id);
GRANT SELECT, INSERT ON people.sandbox_messages TO handsel_app;

-- Counters of the limiters: fixed windows, so a limit ends by itself however hard it is hammered.
-- Losing them in a crash costs nothing but a fresh window.
CREATE UNLOGGED TABLE people.limits (
    key text PRIMARY KEY,
    hits int NOT NULL,
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX limits_by_end ON people.limits (ends_at);
GRANT SELECT, DELETE ON people.limits TO handsel_app;

-- Count one hit on each key; `hits` counts this one too. Rows are locked in the order of the keys.
CREATE FUNCTION people.hit_limits(p_keys text[], p_windows interval[])
RETURNS TABLE (limit_key text, hit_count int, window_ends_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    INSERT INTO people.limits AS l (key, hits, ends_at)
    SELECT h.key, 1, foundation.handsel_now() + h.width
      FROM unnest(p_keys, p_windows) AS h (key, width) ORDER BY h.key
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN l.ends_at <= foundation.handsel_now() THEN 1
                    ELSE least(l.hits + 1, 1000000000) END,
        ends_at = CASE WHEN l.ends_at <= foundation.handsel_now() THEN excluded.ends_at
                       ELSE l.ends_at END
    RETURNING l.key, l.hits, l.ends_at
$$;

-- A log-in that succeeded: forget the failures of some keys, take one hit back from others.
CREATE FUNCTION people.forgive_limits(p_forget text[], p_take_back text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM FROM people.limits WHERE key = ANY (p_forget || p_take_back) ORDER BY key FOR UPDATE;
    DELETE FROM people.limits WHERE key = ANY (p_forget);
    UPDATE people.limits SET hits = greatest(hits - 1, 0) WHERE key = ANY (p_take_back);
END $$;

-- For trust's gate, inside its own statements.
CREATE FUNCTION people.verified_kinds(member uuid) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT coalesce(array_agg(v.kind ORDER BY v.kind), '{}') FROM people.verifications v
     WHERE v.member_id = member AND v.state = 'passed'
$$;
CREATE FUNCTION people.joined_at(member uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT m.joined_at FROM people.members m WHERE m.id = member
$$;

-- One conversation per pair of people; its row lock gives the order of its messages.
CREATE TABLE people.conversations (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    low_id uuid NOT NULL REFERENCES people.members,
    high_id uuid NOT NULL REFERENCES people.members,
    last_seq bigint NOT NULL DEFAULT 0,
    last_hash bytea, -- NULL before the first message
    low_read_seq bigint NOT NULL DEFAULT 0,
    high_read_seq bigint NOT NULL DEFAULT 0,
    low_unread int NOT NULL DEFAULT 0 CHECK (low_unread >= 0),
    high_unread int NOT NULL DEFAULT 0 CHECK (high_unread >= 0),
    last_message_at timestamptz NOT NULL,
    CONSTRAINT conversations_pair_sorted CHECK (low_id < high_id),
    CONSTRAINT conversations_pair_key UNIQUE (low_id, high_id),
    CHECK ((last_seq = 0) = (last_hash IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX conversations_of_low ON people.conversations (low_id, last_message_at DESC, id DESC);
CREATE INDEX conversations_of_high ON people.conversations (high_id, last_message_at DESC, id DESC);

CREATE TABLE people.messages (
    conversation_id uuid NOT NULL REFERENCES people.conversations,
    seq bigint NOT NULL CHECK (seq > 0),
    id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    sender_id uuid NOT NULL REFERENCES people.members,
    kind text NOT NULL CHECK (kind IN ('text', 'card')),
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 4000),
    card_kind text,
    card_ref text,
    at timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    CHECK ((kind = 'card') = (card_kind IS NOT NULL AND card_ref IS NOT NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.messages
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
GRANT SELECT ON people.conversations, people.messages TO handsel_app;

-- The link of a message: over the link before it and everything that the message says.
CREATE FUNCTION people.message_hash(p_previous bytea, p_message people.messages) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(coalesce(p_previous, sha256('handsel')) || convert_to(jsonb_build_array(
        p_message.conversation_id, p_message.seq, p_message.id, p_message.sender_id, p_message.kind,
        p_message.text, p_message.card_kind, p_message.card_ref,
        extract(epoch FROM p_message.at))::text, 'UTF8'))
$$;

CREATE FUNCTION people.open_conversation(p_one uuid, p_other uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    found_id uuid;
BEGIN
    INSERT INTO people.conversations (low_id, high_id, last_message_at)
    VALUES (least(p_one, p_other), greatest(p_one, p_other), foundation.handsel_now())
    ON CONFLICT (low_id, high_id) DO NOTHING RETURNING id INTO found_id;
    IF found_id IS NULL THEN
        SELECT c.id INTO found_id FROM people.conversations c
         WHERE c.low_id = least(p_one, p_other) AND c.high_id = greatest(p_one, p_other);
    END IF;
    RETURN found_id;
END $$;

-- Append a message. The number, the time and the link are given under the conversation's row lock,
-- which is held until the commit: whoever sees number n sees every number below it.
CREATE FUNCTION people.post_message(
    p_conversation uuid, p_sender uuid, p_kind text, p_text text, p_card_kind text, p_card_ref text)
RETURNS people.messages
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    talk people.conversations;
    message people.messages;
BEGIN
    SELECT * INTO talk FROM people.conversations
     WHERE id = p_conversation AND p_sender IN (low_id, high_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not_found' USING ERRCODE = 'HS001', DETAIL = 'there is no such conversation';
    END IF;
    message := ROW(talk.id, talk.last_seq + 1, uuidv7(), p_sender, p_kind, p_text, p_card_kind,
        p_card_ref, greatest(foundation.handsel_now(), talk.last_message_at), NULL);
    message.hash := people.message_hash(talk.last_hash, message);
    INSERT INTO people.messages SELECT message.*;
    UPDATE people.conversations SET
        last_seq = message.seq, last_hash = message.hash, last_message_at = message.at,
        low_unread = low_unread + (low_id <> p_sender)::int,
        high_unread = high_unread + (high_id <> p_sender)::int
     WHERE id = talk.id;
    RETURN message;
END $$;

-- The reader has seen everything up to a number; never backwards. Returns what is left unread.
CREATE FUNCTION people.read_messages(p_conversation uuid, p_reader uuid, p_seq bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    talk people.conversations;
    seen bigint;
    unread int;
BEGIN
    SELECT * INTO talk FROM people.conversations
     WHERE id = p_conversation AND p_reader IN (low_id, high_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not_found' USING ERRCODE = 'HS001', DETAIL = 'there is no such conversation';
    END IF;
    seen := greatest(least(p_seq, talk.last_seq),
        CASE WHEN p_reader = talk.low_id THEN talk.low_read_seq ELSE talk.high_read_seq END);
    SELECT count(*) INTO unread FROM people.messages m
     WHERE m.conversation_id = talk.id AND m.seq > seen AND m.sender_id <> p_reader;
    IF p_reader = talk.low_id THEN
        UPDATE people.conversations SET low_read_seq = seen, low_unread = unread WHERE id = talk.id;
    ELSE
        UPDATE people.conversations SET high_read_seq = seen, high_unread = unread WHERE id = talk.id;
    END IF;
    RETURN unread;
END $$;

-- The first messages at which a conversation's chain no longer follows, and conversations whose
-- end is not the last message (seq is then that of the head).
CREATE FUNCTION people.message_chain_breaks(p_limit int DEFAULT 10)
RETURNS TABLE (conversation_id uuid, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT link.conversation_id, link.seq FROM (
        SELECT m AS message, m.conversation_id, m.seq, m.hash,
               lag(m.hash) OVER chain AS previous,
               m.seq - lag(m.seq, 1, 0::bigint) OVER chain AS step
          FROM people.messages m
        WINDOW chain AS (PARTITION BY m.conversation_id ORDER BY m.seq)) AS link
    WHERE link.step <> 1 OR link.hash <> people.message_hash(link.previous, link.message)
    UNION
    SELECT c.id, c.last_seq FROM people.conversations c
      LEFT JOIN people.messages m ON m.conversation_id = c.id AND m.seq = c.last_seq
     WHERE c.last_hash IS DISTINCT FROM m.hash
        OR EXISTS (SELECT FROM people.messages later
                    WHERE later.conversation_id = c.id AND later.seq > c.last_seq)
    ORDER BY 1, 2 LIMIT p_limit
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA people FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA people TO handsel_app;
