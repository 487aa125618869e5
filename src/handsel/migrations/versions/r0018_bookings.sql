-- When a listing can be had, and who has it when. A booking holds one unit for a time; the exclusion
-- constraint is what makes selling it twice impossible, the functions only ask it politely.
CREATE TABLE catalog.availability (
    listing_id uuid PRIMARY KEY REFERENCES catalog.listings,
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    rules jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object'), -- availability.schemas.Rules
    updated_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON catalog.availability TO handsel_app;

-- What is booked: each of three bicycles is a row. A retired one keeps its bookings and takes no more.
CREATE TABLE catalog.units (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    listing_id uuid NOT NULL REFERENCES catalog.availability,
    number int NOT NULL CHECK (number BETWEEN 1 AND 100),
    retired boolean NOT NULL DEFAULT false,
    CONSTRAINT units_number_key UNIQUE (listing_id, number),
    CONSTRAINT units_of_listing_key UNIQUE (id, listing_id)
);
GRANT SELECT, INSERT, UPDATE ON catalog.units TO handsel_app;

CREATE TABLE catalog.bookings (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    listing_id uuid NOT NULL,
    unit_id uuid NOT NULL,
    order_id uuid NOT NULL, -- of a higher floor: no foreign key, but an invariant (B1)
    customer_id uuid REFERENCES people.members,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    -- With the buffers that the listing had when it was booked.
    during tstzrange NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'confirmed', 'released')),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    FOREIGN KEY (unit_id, listing_id) REFERENCES catalog.units (id, listing_id),
    CONSTRAINT bookings_last CHECK (starts_at < ends_at),
    CONSTRAINT bookings_within CHECK (during @> tstzrange(starts_at, ends_at)),
    CONSTRAINT bookings_one_at_a_time EXCLUDE USING gist (unit_id WITH =, during WITH &&)
        WHERE (state <> 'released')
);
CREATE INDEX bookings_by_order ON catalog.bookings (order_id);
CREATE INDEX bookings_by_listing ON catalog.bookings USING gist (listing_id, during)
    WHERE state <> 'released';
GRANT SELECT ON catalog.bookings TO handsel_app;

-- Calendars from elsewhere: when the seller is busy. All units are closed then.
CREATE TABLE catalog.calendar_imports (
    listing_id uuid NOT NULL REFERENCES catalog.availability,
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 40),
    periods int NOT NULL CHECK (periods >= 0),
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (listing_id, source)
);
CREATE TABLE catalog.busy_times (
    listing_id uuid NOT NULL,
    source text NOT NULL,
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    FOREIGN KEY (listing_id, source) REFERENCES catalog.calendar_imports
);
CREATE INDEX busy_times_by_listing ON catalog.busy_times USING gist (listing_id, during);
GRANT SELECT, INSERT, UPDATE ON catalog.calendar_imports TO handsel_app;
GRANT SELECT, INSERT, DELETE ON catalog.busy_times TO handsel_app;

-- The address under which a seller's bookings can be read by their calendar program.
CREATE TABLE catalog.calendar_feeds (
    member_id uuid PRIMARY KEY REFERENCES people.members,
    secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    made_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON catalog.calendar_feeds TO handsel_app;

-- Units of a listing that are free, the lowest numbers first; 'slot_gone' where they are too few. The
-- row of the availability is locked first: whoever books the same listing waits, and then sees.
CREATE FUNCTION catalog.take_units(p_listing uuid, p_order uuid, p_customer uuid, p_starts timestamptz,
    p_ends timestamptz, p_before interval, p_after interval, p_units int, p_state text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
DECLARE
    v_during tstzrange := tstzrange(p_starts - p_before, p_ends + p_after);
    v_now timestamptz := foundation.handsel_now();
    v_found int;
BEGIN
    PERFORM FROM availability a WHERE a.listing_id = p_listing FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM busy_times t WHERE t.listing_id = p_listing AND t.during && v_during) THEN
        RAISE EXCEPTION 'slot_gone' USING ERRCODE = 'HS001', DETAIL = 'nothing is free at that time';
    END IF;
    INSERT INTO bookings (listing_id, unit_id, order_id, customer_id, starts_at, ends_at, during, state,
                          created_at, changed_at)
    SELECT p_listing, u.id, p_order, p_customer, p_starts, p_ends, v_during, p_state, v_now, v_now
      FROM units u
     WHERE u.listing_id = p_listing AND NOT u.retired AND NOT EXISTS (
           SELECT FROM bookings b
            WHERE b.unit_id = u.id AND b.state <> 'released' AND b.during && v_during)
     ORDER BY u.number LIMIT p_units;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found < p_units THEN
        RAISE EXCEPTION 'slot_gone' USING ERRCODE = 'HS001',
            DETAIL = format('%s of %s free at that time', v_found, p_units);
    END IF;
END $$;

-- Hold units for an order that is not paid yet.
CREATE FUNCTION catalog.reserve(p_listing uuid, p_order uuid, p_customer uuid, p_starts timestamptz,
    p_ends timestamptz, p_before interval, p_after interval, p_units int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM bookings b WHERE b.order_id = p_order AND b.state <> 'released') THEN
        RAISE EXCEPTION 'already_booked' USING ERRCODE = 'HS001', DETAIL = 'move the booking instead';
    END IF;
    PERFORM take_units(p_listing, p_order, p_customer, p_starts, p_ends, p_before, p_after, p_units,
                       'reserved');
END $$;

-- Paid and accepted. Twice is once; an order that booked nothing is not an error.
CREATE FUNCTION catalog.confirm_bookings(p_orders uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
    UPDATE bookings SET state = 'confirmed', changed_at = foundation.handsel_now()
     WHERE order_id = ANY (p_orders) AND state = 'reserved'
$$;

-- The order ended: its units are free again. Needs no lock, for it only makes room.
CREATE FUNCTION catalog.release_bookings(p_orders uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
    UPDATE bookings SET state = 'released', changed_at = foundation.handsel_now()
     WHERE order_id = ANY (p_orders) AND state <> 'released'
$$;

-- To another time, with as many units and in the same state; all or none.
CREATE FUNCTION catalog.move_booking(p_listing uuid, p_order uuid, p_starts timestamptz,
    p_ends timestamptz, p_before interval, p_after interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
DECLARE
    v_customer uuid;
    v_state text;
    v_units int;
BEGIN
    PERFORM FROM availability a WHERE a.listing_id = p_listing FOR NO KEY UPDATE;
    SELECT b.customer_id, b.state, count(*) INTO v_customer, v_state, v_units FROM bookings b
     WHERE b.order_id = p_order AND b.listing_id = p_listing AND b.state <> 'released' GROUP BY 1, 2;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing_booked' USING ERRCODE = 'HS001', DETAIL = 'the order holds no time';
    END IF;
    PERFORM release_bookings(ARRAY[p_order]);
    PERFORM take_units(p_listing, p_order, v_customer, p_starts, p_ends, p_before, p_after, v_units,
                       v_state);
END $$;

REVOKE EXECUTE ON FUNCTION
    catalog.take_units(uuid, uuid, uuid, timestamptz, timestamptz, interval, interval, int, text),
    catalog.reserve(uuid, uuid, uuid, timestamptz, timestamptz, interval, interval, int),
    catalog.confirm_bookings(uuid[]), catalog.release_bookings(uuid[]),
    catalog.move_booking(uuid, uuid, timestamptz, timestamptz, interval, interval)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    catalog.reserve(uuid, uuid, uuid, timestamptz, timestamptz, interval, interval, int),
    catalog.confirm_bookings(uuid[]), catalog.release_bookings(uuid[]),
    catalog.move_booking(uuid, uuid, timestamptz, timestamptz, interval, interval)
    TO handsel_app;
