CREATE SCHEMA IF NOT EXISTS reach;
GRANT USAGE ON SCHEMA reach TO handsel_app;

CREATE TABLE reach.notices (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    kind text NOT NULL,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body text NOT NULL CHECK (length(body) <= 1000),
    ref text NOT NULL, -- the prefixed id of what it is about
    dedupe_key text NOT NULL CHECK (length(dedupe_key) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    CONSTRAINT notices_once UNIQUE (member_id, dedupe_key)
);
CREATE INDEX notices_of_member ON reach.notices (member_id, id DESC);
CREATE INDEX notices_unread ON reach.notices (member_id, id DESC) WHERE read_at IS NULL;
GRANT SELECT, INSERT ON reach.notices TO handsel_app;
GRANT UPDATE (read_at) ON reach.notices TO handsel_app;
