-- The register of credit models: candidates, approvals, shadow scores, champions, and the policies
-- that decisions were made by. Models, events and policies are never changed; who serves now is a
-- row per kind, which every verb locks first, so of two promotions at once the second sees the first.

CREATE TABLE people.models (
    model_id text PRIMARY KEY CHECK (length(model_id) BETWEEN 1 AND 80),
    kind text NOT NULL CHECK (kind IN ('financial', 'social')),
    model_sha256 text NOT NULL CHECK (model_sha256 ~ '^[0-9a-f]{64}$'),
    bundle_sha256 text NOT NULL CHECK (bundle_sha256 ~ '^[0-9a-f]{64}$'),
    trained_as_of timestamptz NOT NULL,
    rows bigint NOT NULL CHECK (rows >= 0),
    metrics jsonb NOT NULL,
    shipped boolean NOT NULL,
    registered_by uuid REFERENCES people.members, -- NULL: whoever has the command line
    registered_at timestamptz NOT NULL
);

-- `id` is drawn under the lock of the model's kind: it is the order of what happened.
CREATE TABLE people.model_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id text NOT NULL REFERENCES people.models,
    kind text NOT NULL CHECK (kind IN ('financial', 'social')),
    what text NOT NULL CHECK (what IN ('registered', 'shadowed', 'gates_passed', 'gates_failed',
        'approved', 'canary', 'promoted', 'rolled_back', 'rejected', 'withdrawn')),
    actor_id uuid REFERENCES people.members,
    reason text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL,
    CHECK (what <> 'approved' OR actor_id IS NOT NULL)
);
CREATE INDEX model_events_of ON people.model_events (model_id, id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.models
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.model_events
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Who serves. No champion: the model that ships with the code.
CREATE TABLE people.model_seats (
    kind text PRIMARY KEY CHECK (kind IN ('financial', 'social')),
    champion_id text REFERENCES people.models,
    canary_id text REFERENCES people.models,
    canary_bps int CHECK (canary_bps BETWEEN 1 AND 5000),
    canary_since timestamptz,
    shadow_ids text[] NOT NULL DEFAULT '{}' CHECK (cardinality(shadow_ids) <= 3),
    CHECK (num_nonnulls(canary_id, canary_bps, canary_since) IN (0, 3)),
    CHECK (canary_id <> champion_id AND canary_id <> ALL (shadow_ids)
           AND champion_id <> ALL (shadow_ids))
);
INSERT INTO people.model_seats (kind) VALUES ('financial'), ('social');

-- What a challenger says of the same members at the same moments. Shown to nobody, used for nothing
-- but judging it.
CREATE TABLE people.shadow_scores (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL CONSTRAINT shadow_scores_member REFERENCES people.members,
    as_of timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('financial', 'social')),
    model_id text NOT NULL REFERENCES people.models,
    state text NOT NULL CHECK (state IN ('scored', 'building_history', 'failed')),
    points int CHECK (points BETWEEN 350 AND 950),
    band text,
    low int,
    high int,
    pd double precision CHECK (pd BETWEEN 0 AND 1),
    failure text,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT shadow_scores_once UNIQUE (member_id, as_of, kind, model_id),
    CHECK ((state = 'scored') = (num_nonnulls(points, band, low, high) = 4)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK (state = 'failed' OR pd IS NOT NULL)
);
CREATE INDEX shadow_scores_of ON people.shadow_scores (model_id, as_of);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.shadow_scores
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- A canary is watched by the decisions since it began, and by the deals of those it scored.
CREATE INDEX decisions_at ON people.decisions USING brin (decided_at);
CREATE INDEX facts_by_order ON people.facts (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX score_snapshots_by_model ON people.score_snapshots (model_id, as_of);

-- Whether a snapshot says something else than the one before it: a member's history is these alone.
ALTER TABLE people.score_snapshots ADD COLUMN changed boolean NOT NULL DEFAULT false;
ALTER TABLE people.score_snapshots DISABLE TRIGGER append_only;
UPDATE people.score_snapshots s SET changed = true
  FROM (SELECT id, (state, points, band) IS DISTINCT FROM (lag(state) OVER earlier,
               lag(points) OVER earlier, lag(band) OVER earlier) AS differs
          FROM people.score_snapshots
        WINDOW earlier AS (PARTITION BY member_id, kind ORDER BY as_of)) AS w
 WHERE w.id = s.id AND w.differs;
ALTER TABLE people.score_snapshots ENABLE TRIGGER append_only;
ALTER TABLE people.score_snapshots ALTER COLUMN changed DROP DEFAULT;
CREATE INDEX score_changes ON people.score_snapshots (member_id, as_of, kind) WHERE changed;

-- As in 0005, with `changed`.
CREATE OR REPLACE FUNCTION people.record_score(
    p_member uuid, p_as_of timestamptz, p_kind text, p_state text, p_points int, p_band text,
    p_low int, p_high int, p_pd double precision, p_closed_deals int, p_reasons jsonb,
    p_model_id text, p_model_sha256 text, p_vector double precision[], p_failure text,
    p_facts_seen int, p_facts_until timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    before people.score_snapshots;
BEGIN
    SELECT * INTO before FROM people.score_snapshots s
     WHERE s.member_id = p_member AND s.kind = p_kind AND s.as_of < p_as_of
     ORDER BY s.as_of DESC LIMIT 1;
    INSERT INTO people.score_snapshots (
        member_id, as_of, kind, state, points, band, low, high, pd, closed_deals, reasons,
        model_id, model_sha256, vector, failure, facts_seen, facts_until, recorded_at, changed)
    VALUES (p_member, p_as_of, p_kind, p_state, p_points, p_band, p_low, p_high, p_pd,
        p_closed_deals, p_reasons, p_model_id, p_model_sha256, p_vector, p_failure,
        p_facts_seen, p_facts_until, foundation.handsel_now(),
        (p_state, p_points, p_band) IS DISTINCT FROM (before.state, before.points, before.band));
END $$;

-- Which model a member's newest snapshot was asked of, so that those whose model has left its seat
-- are found without looking at anybody else. '': no model could be used. `place`: the member's in
-- the canary of that model; existing rows are of champions, which have none.
CREATE TABLE people.scored_by (
    member_id uuid NOT NULL REFERENCES people.members,
    kind text NOT NULL CHECK (kind IN ('financial', 'social')),
    model_id text NOT NULL,
    place int NOT NULL CHECK (place BETWEEN 0 AND 9999),
    PRIMARY KEY (member_id, kind)
);
INSERT INTO people.scored_by (member_id, kind, model_id, place)
SELECT DISTINCT ON (s.member_id, s.kind) s.member_id, s.kind, coalesce(s.model_id, ''), 0
  FROM people.score_snapshots s ORDER BY s.member_id, s.kind, s.as_of DESC;
CREATE INDEX scored_by_model ON people.scored_by (kind, model_id, place);

CREATE FUNCTION people.note_scored(
    p_member uuid, p_kinds text[], p_models text[], p_places int[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    INSERT INTO people.scored_by AS s (member_id, kind, model_id, place)
    SELECT p_member, n.kind, n.model_id, n.place
      FROM unnest(p_kinds, p_models, p_places) AS n (kind, model_id, place)
    ON CONFLICT (member_id, kind) DO UPDATE
       SET model_id = excluded.model_id, place = excluded.place
     WHERE s.model_id <> excluded.model_id
$$;

-- As `lock_credit`, without waiting: false where somebody assesses this member already.
CREATE FUNCTION people.try_lock_credit(p_member uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT pg_try_advisory_xact_lock(hashtextextended(p_member::text, 72))
$$;

-- The text of each policy that a decision was made by; its version carries its hash.
CREATE TABLE people.policies (
    version text PRIMARY KEY,
    sha256 text NOT NULL,
    content bytea NOT NULL,
    first_used_at timestamptz NOT NULL,
    CHECK (sha256 = encode(sha256(content), 'hex')),
    CHECK (right(version, 13) = '+' || left(sha256, 12))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.policies
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Called as the last thing before COMMIT: two first payments under a policy wait only that long.
CREATE FUNCTION people.keep_policy(p_version text, p_content bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    INSERT INTO people.policies (version, sha256, content, first_used_at)
    VALUES (p_version, encode(sha256(p_content), 'hex'), p_content, foundation.handsel_now())
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION people.record_shadow_score(
    p_member uuid, p_as_of timestamptz, p_kind text, p_model_id text, p_state text, p_points int,
    p_band text, p_low int, p_high int, p_pd double precision, p_failure text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, public, pg_temp AS $$
    INSERT INTO people.shadow_scores (member_id, as_of, kind, model_id, state, points, band, low,
                                      high, pd, failure, recorded_at)
    VALUES (p_member, p_as_of, p_kind, p_model_id, p_state, p_points, p_band, p_low, p_high, p_pd,
            p_failure, foundation.handsel_now())
$$;

-- the register -----------------------------------------------------------------------------------

CREATE FUNCTION people.refuse_model(p_code text, p_detail text) RETURNS void
LANGUAGE plpgsql SET search_path = people, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%', p_code USING ERRCODE = 'HS001', DETAIL = p_detail;
END $$;

-- One event, told to the audit chain too.
CREATE FUNCTION people.tell_model(
    p_model people.models, p_what text, p_actor uuid, p_reason text, p_body jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    INSERT INTO people.model_events (model_id, kind, what, actor_id, reason, body, at)
    VALUES (p_model.model_id, p_model.kind, p_what, p_actor, p_reason, p_body,
            foundation.handsel_now());
    PERFORM foundation.record_audit(ARRAY['credit'], ARRAY[NULL::uuid], ARRAY[p_actor],
        ARRAY['model_' || p_what], ARRAY[p_body || jsonb_build_object(
            'model_id', p_model.model_id, 'kind', p_model.kind, 'reason', p_reason,
            'model_sha256', p_model.model_sha256, 'bundle_sha256', p_model.bundle_sha256)]);
END $$;

-- The model, with the seats of its kind locked until the commit.
CREATE FUNCTION people.lock_model(p_model text) RETURNS people.models
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    found_model people.models;
BEGIN
    SELECT * INTO found_model FROM people.models m WHERE m.model_id = p_model;
    IF found_model.model_id IS NULL THEN
        PERFORM people.refuse_model('model_unknown', 'there is no model ' || p_model
            || ' in the register');
    END IF;
    PERFORM FROM people.model_seats s WHERE s.kind = found_model.kind FOR UPDATE;
    RETURN found_model;
END $$;

-- Anew, true; known already with the same hashes, false.
CREATE FUNCTION people.register_model(
    p_model text, p_kind text, p_model_sha256 text, p_bundle_sha256 text,
    p_trained_as_of timestamptz, p_rows bigint, p_metrics jsonb, p_shipped boolean, p_actor uuid)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    known people.models;
BEGIN
    PERFORM FROM people.model_seats s WHERE s.kind = p_kind FOR UPDATE;
    SELECT * INTO known FROM people.models m WHERE m.model_id = p_model;
    IF known.model_id IS NOT NULL THEN
        IF (known.kind, known.model_sha256, known.bundle_sha256)
           IS DISTINCT FROM (p_kind, p_model_sha256, p_bundle_sha256) THEN
            PERFORM people.refuse_model('bundle_tampered',
                p_model || ' is in the register with other files');
        END IF;
        RETURN false;
    END IF;
    INSERT INTO people.models (model_id, kind, model_sha256, bundle_sha256, trained_as_of, rows,
                               metrics, shipped, registered_by, registered_at)
    VALUES (p_model, p_kind, p_model_sha256, p_bundle_sha256, p_trained_as_of, p_rows, p_metrics,
            p_shipped, p_actor, foundation.handsel_now())
    RETURNING * INTO known;
    PERFORM people.tell_model(known, 'registered', p_actor,
        CASE WHEN p_shipped THEN 'ships with the code' ELSE '' END, '{}');
    RETURN true;
END $$;

-- The newest event that sends a model back to the start; what came before no longer counts.
CREATE FUNCTION people.model_reset(p_model text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT coalesce(max(e.id), 0) FROM people.model_events e
     WHERE e.model_id = p_model AND e.what IN ('rolled_back', 'rejected', 'withdrawn')
$$;

CREATE FUNCTION people.shadow_model(p_model text, p_actor uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    challenger people.models := people.lock_model(p_model);
    seats people.model_seats;
BEGIN
    SELECT * INTO seats FROM people.model_seats s WHERE s.kind = challenger.kind;
    IF p_model IN (seats.champion_id, seats.canary_id) OR p_model = ANY (seats.shadow_ids) THEN
        PERFORM people.refuse_model('model_seated', p_model || ' serves or is in shadow already');
    ELSIF cardinality(seats.shadow_ids) >= 3 THEN
        PERFORM people.refuse_model('shadow_full',
            'three challengers are in shadow already; withdraw one of them');
    END IF;
    UPDATE people.model_seats s SET shadow_ids = s.shadow_ids || p_model
     WHERE s.kind = challenger.kind;
    PERFORM people.tell_model(challenger, 'shadowed', p_actor, '', '{}');
END $$;

CREATE FUNCTION people.judge_model(
    p_model text, p_champion text, p_passed boolean, p_gates jsonb, p_actor uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.tell_model(people.lock_model(p_model),
        CASE WHEN p_passed THEN 'gates_passed' ELSE 'gates_failed' END, p_actor, '',
        jsonb_build_object('champion_id', p_champion, 'gates', p_gates));
END $$;

-- The gates that were passed on this very model, against the champion of now. Raises otherwise.
CREATE FUNCTION people.gates_of(p_model text, p_champion text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    judged people.model_events;
BEGIN
    SELECT * INTO judged FROM people.model_events e
     WHERE e.model_id = p_model AND e.what IN ('gates_passed', 'gates_failed')
       AND e.id > people.model_reset(p_model)
     ORDER BY e.id DESC LIMIT 1;
    IF judged.what IS DISTINCT FROM 'gates_passed' THEN
        PERFORM people.refuse_model('gates_not_passed', CASE WHEN judged.what IS NULL
            THEN p_model || ' has not been judged' ELSE p_model || ' did not pass its gates' END);
    ELSIF judged.body ->> 'champion_id' IS DISTINCT FROM p_champion THEN
        PERFORM people.refuse_model('gates_not_passed', p_model || ' was judged against '
            || (judged.body ->> 'champion_id') || '; the champion now is ' || p_champion);
    END IF;
    RETURN judged.id;
END $$;

-- An approval is of a table of gates: a new judgement asks for new ones.
CREATE FUNCTION people.approve_model(p_model text, p_champion text, p_actor uuid) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    challenger people.models := people.lock_model(p_model);
    gates bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM people.members m WHERE m.id = p_actor AND m.is_staff) THEN
        PERFORM people.refuse_model('model_approver_not_staff', 'only members of staff approve a model');
    END IF;
    gates := people.gates_of(p_model, p_champion);
    IF EXISTS (SELECT FROM people.model_events e WHERE e.model_id = p_model
                AND e.what = 'approved' AND e.id > gates AND e.actor_id = p_actor) THEN
        PERFORM people.refuse_model('second_approver_needed',
            'you have approved this model already; the second approval is somebody else''s');
    END IF;
    PERFORM people.tell_model(challenger, 'approved', p_actor, '',
        jsonb_build_object('gates_event', gates));
    RETURN (SELECT count(*) FROM people.model_events e
             WHERE e.model_id = p_model AND e.what = 'approved' AND e.id > gates);
END $$;

-- Everything that a model needs before anybody is scored by it. Its seats are locked by the caller.
CREATE FUNCTION people.require_ready(
    p_challenger people.models, p_champion text, p_shadow_for interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    champion people.models;
    since timestamptz;
    gates bigint;
    approvers bigint;
BEGIN
    SELECT * INTO champion FROM people.models m WHERE m.model_id = p_champion;
    IF champion.kind IS DISTINCT FROM p_challenger.kind THEN
        PERFORM people.refuse_model('model_unknown', 'the champion ' || coalesce(p_champion, '?')
            || ' is not in the register');
    ELSIF p_challenger.trained_as_of <= champion.trained_as_of THEN
        PERFORM people.refuse_model('challenger_older', p_challenger.model_id
            || ' was trained as of ' || p_challenger.trained_as_of
            || ', its champion as of ' || champion.trained_as_of);
    END IF;
    gates := people.gates_of(p_challenger.model_id, p_champion);
    SELECT max(e.at) INTO since FROM people.model_events e
     WHERE e.model_id = p_challenger.model_id AND e.what = 'shadowed'
       AND e.id > people.model_reset(p_challenger.model_id);
    IF since IS NULL OR foundation.handsel_now() < since + p_shadow_for THEN
        PERFORM people.refuse_model('shadow_too_short', CASE WHEN since IS NULL
            THEN p_challenger.model_id || ' has not been in shadow'
            ELSE p_challenger.model_id || ' is in shadow since ' || since
                 || ' and needs ' || p_shadow_for END);
    END IF;
    SELECT count(DISTINCT e.actor_id) INTO approvers FROM people.model_events e
      JOIN people.members m ON m.id = e.actor_id AND m.is_staff
     WHERE e.model_id = p_challenger.model_id AND e.what = 'approved' AND e.id > gates;
    IF approvers < 2 THEN
        PERFORM people.refuse_model('second_approver_needed', p_challenger.model_id || ' has '
            || approvers || ' of 2 approvals of its newest gates');
    END IF;
END $$;

CREATE FUNCTION people.set_canary(
    p_model text, p_shipped text, p_bps int, p_shadow_for interval, p_actor uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    challenger people.models := people.lock_model(p_model);
    seats people.model_seats;
BEGIN
    SELECT * INTO seats FROM people.model_seats s WHERE s.kind = challenger.kind;
    IF p_bps NOT BETWEEN 1 AND 5000 THEN
        PERFORM people.refuse_model('share_invalid', 'a canary scores 0.01 to 50 percent of members');
    ELSIF seats.canary_id <> p_model OR seats.champion_id = p_model THEN
        PERFORM people.refuse_model('model_seated', 'the seat is taken');
    END IF;
    PERFORM people.require_ready(challenger, coalesce(seats.champion_id, p_shipped), p_shadow_for);
    UPDATE people.model_seats s
       SET canary_id = p_model, canary_bps = p_bps,
           canary_since = CASE WHEN s.canary_id IS NULL THEN foundation.handsel_now()
                               ELSE s.canary_since END,
           shadow_ids = array_remove(s.shadow_ids, p_model)
     WHERE s.kind = challenger.kind;
    PERFORM people.tell_model(challenger, 'canary', p_actor, '',
        jsonb_build_object('share_bps', p_bps));
END $$;

CREATE FUNCTION people.promote_model(
    p_model text, p_shipped text, p_shadow_for interval, p_actor uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    challenger people.models := people.lock_model(p_model);
    seats people.model_seats;
BEGIN
    SELECT * INTO seats FROM people.model_seats s WHERE s.kind = challenger.kind;
    IF seats.champion_id = p_model THEN
        PERFORM people.refuse_model('model_seated', p_model || ' is the champion already');
    ELSIF seats.canary_id <> p_model THEN
        PERFORM people.refuse_model('model_seated',
            seats.canary_id || ' is being tried on a share of the members');
    END IF;
    PERFORM people.require_ready(challenger, coalesce(seats.champion_id, p_shipped), p_shadow_for);
    UPDATE people.model_seats s
       SET champion_id = p_model, canary_id = NULL, canary_bps = NULL, canary_since = NULL,
           shadow_ids = array_remove(s.shadow_ids, p_model)
     WHERE s.kind = challenger.kind;
    PERFORM people.tell_model(challenger, 'promoted', p_actor, '',
        jsonb_build_object('former_id', seats.champion_id));
END $$;

-- One person, at once, and always to something that has served before. Ends the canary as well,
-- since it was judged against the champion that goes; with `p_canary` it ends the canary alone.
-- `p_expected` is the model that was seen in the seat: of two at once, one goes back.
CREATE FUNCTION people.roll_back_model(
    p_kind text, p_expected text, p_canary boolean, p_actor uuid, p_reason text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    seats people.model_seats;
    seated text;
    gone people.models;
    former text;
    told text[] := '{}';
BEGIN
    SELECT * INTO seats FROM people.model_seats s WHERE s.kind = p_kind FOR UPDATE;
    seated := CASE WHEN p_canary OR seats.champion_id IS NULL THEN seats.canary_id
                   ELSE seats.champion_id END;
    IF seated IS NULL THEN
        PERFORM people.refuse_model('nothing_to_roll_back', 'no '
            || CASE WHEN p_canary THEN 'canary' ELSE 'registered model' END || ' serves as ' || p_kind);
    ELSIF seated IS DISTINCT FROM p_expected THEN
        PERFORM people.refuse_model('model_seated', coalesce(p_expected, 'nobody')
            || ' was to be rolled back; ' || seated || ' has the seat');
    END IF;
    IF seats.canary_id IS NOT NULL THEN
        UPDATE people.model_seats s SET canary_id = NULL, canary_bps = NULL, canary_since = NULL
         WHERE s.kind = p_kind;
        SELECT * INTO gone FROM people.models m WHERE m.model_id = seats.canary_id;
        PERFORM people.tell_model(gone, 'rolled_back', p_actor, p_reason, '{"seat": "canary"}');
        told := told || gone.model_id;
    END IF;
    IF seats.champion_id IS NOT NULL AND NOT p_canary THEN
        SELECT e.body ->> 'former_id' INTO former FROM people.model_events e
         WHERE e.model_id = seats.champion_id AND e.what = 'promoted' ORDER BY e.id DESC LIMIT 1;
        UPDATE people.model_seats s
           SET champion_id = former, shadow_ids = array_remove(s.shadow_ids, former)
         WHERE s.kind = p_kind;
        SELECT * INTO gone FROM people.models m WHERE m.model_id = seats.champion_id;
        PERFORM people.tell_model(gone, 'rolled_back', p_actor, p_reason,
            jsonb_build_object('seat', 'champion', 'former_id', former));
        told := told || gone.model_id;
    END IF;
    RETURN told;
END $$;

-- Out of shadow: `rejected` for good reasons, `withdrawn` without a judgement.
CREATE FUNCTION people.dismiss_model(p_model text, p_what text, p_actor uuid, p_reason text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    challenger people.models := people.lock_model(p_model);
BEGIN
    IF EXISTS (SELECT FROM people.model_seats s WHERE p_model IN (s.champion_id, s.canary_id)) THEN
        PERFORM people.refuse_model('model_seated', p_model || ' serves; roll it back');
    ELSIF p_what NOT IN ('rejected', 'withdrawn') THEN
        PERFORM people.refuse_model('invalid', 'a model is rejected or withdrawn');
    END IF;
    UPDATE people.model_seats s SET shadow_ids = array_remove(s.shadow_ids, p_model)
     WHERE s.kind = challenger.kind;
    PERFORM people.tell_model(challenger, p_what, p_actor, p_reason, '{}');
END $$;

GRANT SELECT ON people.models, people.model_events, people.model_seats, people.shadow_scores,
    people.policies, people.scored_by TO handsel_app;

DO $grants$ DECLARE
    function regprocedure;
    verbs text[] := '{keep_policy,record_shadow_score,note_scored,try_lock_credit,register_model,shadow_model,judge_model,'
        'approve_model,set_canary,promote_model,roll_back_model,dismiss_model}';
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'people'::regnamespace AND p.proname = ANY (verbs || '{refuse_model,'
            'tell_model,lock_model,model_reset,gates_of,require_ready}'::text[])
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
    FOR function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'people'::regnamespace AND p.proname = ANY (verbs)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO handsel_app', function);
    END LOOP;
END $grants$;
