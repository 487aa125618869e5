-- Reviews become double-blind: written unseen, published together. What there was before was shown
-- when it was written, and stays as it was.
ALTER TABLE deals.reviews
    ADD COLUMN state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'published', 'replied', 'closed')),
    ADD COLUMN version int NOT NULL DEFAULT 1,
    ADD COLUMN aspects jsonb NOT NULL DEFAULT '{}',
    -- The last moment for either side to write, and the latest to be published.
    ADD COLUMN closes_at timestamptz,
    -- When time moves it on: to its publication, then to the end of the time for a reply.
    ADD COLUMN due_at timestamptz,
    ADD COLUMN published_at timestamptz,
    -- How much it counts for its subject's score, ten-thousandths; fixed when it is published.
    ADD COLUMN weight_bps int CHECK (weight_bps BETWEEN 0 AND 10000),
    ADD COLUMN reply text CHECK (length(reply) BETWEEN 1 AND 2000),
    ADD COLUMN replied_at timestamptz;
UPDATE deals.reviews r
   SET state = 'closed', closes_at = created_at, published_at = created_at,
       weight_bps = CASE WHEN EXISTS (
           SELECT FROM deals.reviews e
            WHERE e.author_id = r.author_id AND e.subject_id = r.subject_id AND e.id < r.id)
           THEN 0 ELSE 10000 END;
ALTER TABLE deals.reviews
    ALTER COLUMN state DROP DEFAULT,
    ALTER COLUMN closes_at SET NOT NULL,
    ADD CHECK ((state = 'pending') = (published_at IS NULL)),
    ADD CHECK ((published_at IS NULL) = (weight_bps IS NULL)),
    ADD CHECK ((state IN ('pending', 'published')) = (due_at IS NOT NULL)),
    ADD CHECK ((state = 'replied') = (reply IS NOT NULL)),
    ADD CHECK ((reply IS NULL) = (replied_at IS NULL));
CREATE INDEX reviews_due ON deals.reviews (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX reviews_of_pair ON deals.reviews (author_id, subject_id);
GRANT UPDATE (state, version, stars, text, aspects, due_at, published_at, weight_bps, reply,
              replied_at) ON deals.reviews TO handsel_app;

-- What everybody has read is not rewritten, and a reply is given once.
CREATE FUNCTION deals.refuse_second_thoughts() RETURNS trigger
LANGUAGE plpgsql SET search_path = deals, pg_temp AS $$
BEGIN
    IF OLD.state <> 'pending' AND (NEW.state = 'pending'
        OR (NEW.stars, NEW.text, NEW.aspects, NEW.published_at, NEW.weight_bps)
           IS DISTINCT FROM (OLD.stars, OLD.text, OLD.aspects, OLD.published_at, OLD.weight_bps)
        OR OLD.reply IS NOT NULL AND NEW.reply IS DISTINCT FROM OLD.reply) THEN
        RAISE EXCEPTION 'review_published' USING ERRCODE = 'HS001',
            DETAIL = 'a published review is not changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_second_thoughts BEFORE UPDATE ON deals.reviews
    FOR EACH ROW EXECUTE FUNCTION deals.refuse_second_thoughts();

-- What an author tells the house alone. The application writes it and cannot read the text.
CREATE TABLE deals.confidences (
    review_id uuid PRIMARY KEY REFERENCES deals.reviews,
    text text NOT NULL CHECK (length(text) <= 2000),
    deal_again boolean,
    written_at timestamptz NOT NULL
);
CREATE FUNCTION deals.confide(p_review uuid, p_text text, p_deal_again boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.confidences (review_id, text, deal_again, written_at)
    VALUES (p_review, p_text, p_deal_again, foundation.handsel_now())
    ON CONFLICT (review_id) DO UPDATE SET text = excluded.text, deal_again = excluded.deal_again,
        written_at = excluded.written_at
$$;
-- For the social score: whether the author would deal again; NULL where nothing was said.
CREATE FUNCTION deals.would_deal_again(p_review uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    SELECT deal_again FROM deals.confidences WHERE review_id = p_review
$$;

-- Safety ------------------------------------------------------------------------------------------

-- Who else may see an appointment: whoever holds the link, or a contact who is a member here.
CREATE TABLE deals.order_shares (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    order_id uuid NOT NULL REFERENCES deals.orders,
    member_id uuid NOT NULL REFERENCES people.members,
    contact_id uuid REFERENCES people.members,
    secret_sha256 bytea NOT NULL CONSTRAINT order_shares_secret UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK (contact_id <> member_id)
);
CREATE INDEX order_shares_by_order ON deals.order_shares (order_id, member_id);
CREATE INDEX order_shares_by_contact ON deals.order_shares (contact_id) WHERE contact_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON deals.order_shares TO handsel_app;

-- "I am there", "I have left": each said once.
CREATE TABLE deals.arrivals (
    order_id uuid NOT NULL REFERENCES deals.orders,
    member_id uuid NOT NULL REFERENCES people.members,
    kind text NOT NULL CHECK (kind IN ('arrived', 'left')),
    at timestamptz NOT NULL,
    PRIMARY KEY (order_id, member_id, kind)
);
GRANT SELECT, INSERT ON deals.arrivals TO handsel_app;

-- The queue of silent alarms. An alarm that nobody has closed is not raised a second time.
CREATE TABLE deals.alarms (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    order_id uuid NOT NULL REFERENCES deals.orders,
    member_id uuid NOT NULL REFERENCES people.members,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'closed')),
    raised_at timestamptz NOT NULL,
    taken_by uuid REFERENCES people.members,
    taken_at timestamptz,
    closed_by uuid REFERENCES people.members,
    closed_at timestamptz,
    outcome text CHECK (length(outcome) BETWEEN 1 AND 2000),
    CHECK (state <> 'taken' OR taken_by IS NOT NULL),
    CHECK ((taken_by IS NULL) = (taken_at IS NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK (num_nulls(closed_by, closed_at, outcome) IN (0, 3))
);
CREATE UNIQUE INDEX alarms_once ON deals.alarms (order_id, member_id) WHERE state <> 'closed';
CREATE INDEX alarms_waiting ON deals.alarms (id) WHERE state <> 'closed';
GRANT SELECT, INSERT, UPDATE (state, taken_by, taken_at, closed_by, closed_at, outcome)
    ON deals.alarms TO handsel_app;

REVOKE EXECUTE ON FUNCTION deals.refuse_second_thoughts(), deals.confide(uuid, text, boolean),
    deals.would_deal_again(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.confide(uuid, text, boolean), deals.would_deal_again(uuid)
    TO handsel_app;
