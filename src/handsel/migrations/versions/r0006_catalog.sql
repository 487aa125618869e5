-- Categories, storefronts, listings, the search documents.
-- The true point of a listing (true_lat, true_lon) is private: only its owner's answers carry it.

CREATE SCHEMA IF NOT EXISTS catalog AUTHORIZATION handsel_owner;
GRANT USAGE ON SCHEMA catalog TO handsel_app;

CREATE TABLE catalog.storefronts (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL CONSTRAINT storefronts_member_key UNIQUE REFERENCES people.members,
    handle text NOT NULL CONSTRAINT storefronts_handle_key UNIQUE,
    title text NOT NULL,
    about text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT foundation.handsel_now()
);
GRANT SELECT, INSERT, UPDATE ON catalog.storefronts TO handsel_app;

CREATE TABLE catalog.listings (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    storefront_id uuid NOT NULL REFERENCES catalog.storefronts,
    seller_id uuid NOT NULL REFERENCES people.members,
    state text NOT NULL CHECK (state IN ('draft', 'live', 'paused', 'ended')),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    category text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL CHECK (length(title) BETWEEN 3 AND 120),
    description text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    unit text NOT NULL,
    price_minor bigint CHECK (price_minor > 0),
    currency text,
    fulfilment text[] NOT NULL CHECK (cardinality(fulfilment) > 0),
    true_lat double precision CHECK (true_lat BETWEEN -90 AND 90),
    true_lon double precision CHECK (true_lon BETWEEN -180 AND 180),
    lat double precision CHECK (lat BETWEEN -90 AND 90),
    lon double precision CHECK (lon BETWEEN -180 AND 180),
    neighbourhood text,
    service_radius_m integer CHECK (service_radius_m > 0),
    time_zone text,
    inspection_period text NOT NULL,
    free_until text NOT NULL,
    late_share_bps integer NOT NULL CHECK (late_share_bps BETWEEN 0 AND 10000),
    response_rate double precision CHECK (response_rate BETWEEN 0 AND 1),
    published_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- A listing with a place has both points, a remote one has none.
    CHECK (num_nulls(true_lat, true_lon, lat, lon) IN (0, 4)),
    CHECK ((lat IS NULL) = (fulfilment = '{remote}')),
    CHECK ((price_minor IS NULL) = (unit = 'quote')),
    CHECK (price_minor IS NULL OR currency IS NOT NULL),
    CHECK (state = 'draft' OR state = 'ended' OR published_at IS NOT NULL)
);
COMMENT ON COLUMN catalog.listings.true_lat IS 'private; lat and lon are the published point';
COMMENT ON COLUMN catalog.listings.response_rate IS 'pushed by events; null while unknown';
CREATE INDEX listings_by_seller ON catalog.listings (seller_id, id);
CREATE INDEX listings_live_by_storefront ON catalog.listings (storefront_id, id)
    WHERE state = 'live';
GRANT SELECT, INSERT, UPDATE ON catalog.listings TO handsel_app;

-- What an import made, by the natural key of its source, so that a second run changes nothing.
CREATE TABLE catalog.imported_storefronts (
    mapping text NOT NULL,
    key text[] NOT NULL,
    storefront_id uuid NOT NULL UNIQUE REFERENCES catalog.storefronts,
    PRIMARY KEY (mapping, key)
);
COMMENT ON COLUMN catalog.imported_storefronts.key IS
    'what makes one storefront in this mapping, e.g. neighbourhood and currency';
CREATE TABLE catalog.imported_listings (
    mapping text NOT NULL,
    source text NOT NULL,
    source_id text NOT NULL,
    listing_id uuid NOT NULL UNIQUE REFERENCES catalog.listings,
    content_sha256 bytea NOT NULL,
    PRIMARY KEY (mapping, source, source_id)
);
COMMENT ON COLUMN catalog.imported_listings.source IS
    'the stem of the file: ids restart in each file';
GRANT SELECT, INSERT ON catalog.imported_storefronts TO handsel_app;
GRANT SELECT, INSERT, UPDATE ON catalog.imported_listings TO handsel_app;

-- The search index, frozen from handsel_search.ddl.
CREATE TABLE catalog.search_documents (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 0),
    seller_id text NOT NULL,
    storefront_id text NOT NULL,
    kind text NOT NULL,
    category text NOT NULL,
    pack text NOT NULL,
    lang text,
    unit text NOT NULL,
    price_minor bigint CHECK (price_minor >= 0),
    currency text NOT NULL,
    fulfilment text[] NOT NULL CHECK (cardinality(fulfilment) > 0),
    lat double precision CHECK (lat BETWEEN -90 AND 90),
    lon double precision CHECK (lon BETWEEN -180 AND 180),
    pos cube,
    service_radius_m integer,
    live boolean NOT NULL,
    conduct_band smallint CHECK (conduct_band BETWEEN 0 AND 4),
    identity_tier smallint NOT NULL CHECK (identity_tier BETWEEN 0 AND 5),
    verified_facts text[] NOT NULL,
    response_rate double precision CHECK (response_rate BETWEEN 0 AND 1),
    settled_count integer NOT NULL CHECK (settled_count >= 0),
    created_at timestamptz NOT NULL,
    doc tsvector NOT NULL,
    CHECK (num_nulls(lat, lon, pos) IN (0, 3))
);
COMMENT ON TABLE catalog.search_documents IS 'Search index of listings: derived, public facts only; lat, lon and pos are the published point, pos = ll_to_earth(lat, lon)';
CREATE INDEX search_documents_doc ON catalog.search_documents USING gin (doc) WHERE live;
CREATE INDEX search_documents_pos ON catalog.search_documents USING gist (pos) WHERE live;
CREATE INDEX search_documents_newest ON catalog.search_documents (created_at DESC, id) WHERE live;
CREATE INDEX search_documents_price ON catalog.search_documents (currency, coalesce(price_minor, 9223372036854775807), id) WHERE live;
CREATE TABLE catalog.search_vocabulary (
    word text PRIMARY KEY CHECK (length(word) BETWEEN 4 AND 40),
    documents integer NOT NULL CHECK (documents > 0)
);
COMMENT ON TABLE catalog.search_vocabulary IS 'Words without digits found in search_documents, for typo tolerance; documents is exact after refresh_vocabulary';
CREATE INDEX search_vocabulary_near ON catalog.search_vocabulary USING gist (word gist_trgm_ops (siglen = 64));
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.search_documents, catalog.search_vocabulary
    TO handsel_app;
