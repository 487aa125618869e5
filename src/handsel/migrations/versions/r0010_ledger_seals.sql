-- The ledger's hash chain. Transfers are sealed in blocks, off the hot path, in the order of seq:
-- a posting writes nothing for it. Each block is also an entry of the audit chain, so that the head
-- of that one chain vouches for both. money/ledger/chain.py computes the same without a database.
CREATE TABLE money.ledger_seals (
    block bigint PRIMARY KEY CHECK (block > 0),
    format smallint NOT NULL, -- of the row's text, which a new column of transfers would change
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    transfers int NOT NULL,
    -- Which numbers of the range are transfers (a posting that was refused leaves a gap), and the
    -- hash of each, so that the one that was altered can be named.
    seqs bigint[] NOT NULL,
    row_hashes bytea[] NOT NULL,
    hash bytea NOT NULL,
    entry_id uuid NOT NULL UNIQUE REFERENCES foundation.audit_entries,
    sealed_at timestamptz NOT NULL,
    CHECK (transfers > 0 AND transfers = cardinality(seqs) AND transfers = cardinality(row_hashes)),
    CHECK (first_seq <= seqs[1] AND seqs[transfers] <= last_seq)
);
CREATE INDEX ledger_seals_by_seq ON money.ledger_seals (last_seq);
ALTER TABLE money.ledger_seals ALTER COLUMN row_hashes SET STORAGE EXTERNAL; -- nothing to compress
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.ledger_seals
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- How far the chain goes, and how far it may go. seq is drawn before the commit, so a smaller number
-- may turn up after a larger one: nothing above ``settled_seq`` is sealed. See ``settle_mark``.
CREATE TABLE money.ledger_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    block bigint NOT NULL,
    last_seq bigint NOT NULL,
    hash bytea NOT NULL,
    settled_seq bigint NOT NULL DEFAULT 0,
    settled_at timestamptz,
    mark_seq bigint,
    mark_at timestamptz,
    mark_writers text[]
);
INSERT INTO money.ledger_head (block, last_seq, hash) VALUES (0, 0, sha256('handsel ledger'));

-- A closed month: its trial balance is written down once. ``through_seq``: every transfer up to there
-- is dated in this month or before, so what came later is found by seq.
CREATE TABLE money.periods (
    month date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    ends_on date NOT NULL,
    transfers bigint NOT NULL,
    through_seq bigint NOT NULL,
    ledger_block bigint NOT NULL,
    closed_at timestamptz NOT NULL
);
-- Per kind of account and unit; for the house's own accounts that is each account.
CREATE TABLE money.period_balances (
    month date NOT NULL REFERENCES money.periods,
    kind text NOT NULL REFERENCES money.account_kinds,
    unit text NOT NULL REFERENCES money.units,
    opening bigint NOT NULL,
    debits bigint NOT NULL CHECK (debits >= 0),
    credits bigint NOT NULL CHECK (credits >= 0),
    closing bigint NOT NULL,
    PRIMARY KEY (kind, unit, month),
    CONSTRAINT period_balances_sum CHECK (closing = opening + credits - debits)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.periods
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money.period_balances
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

GRANT SELECT ON money.ledger_seals, money.ledger_head, money.periods, money.period_balances
    TO handsel_app;

-- Like record_audit, for one entry whose id the caller keeps.
CREATE FUNCTION foundation.record_audit_entry(p_stream text, p_action text, p_body jsonb) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = foundation, pg_temp AS $$
DECLARE
    entry uuid;
BEGIN
    INSERT INTO foundation.audit_entries (stream, action, body, at)
    VALUES (p_stream, p_action, p_body, foundation.handsel_now()) RETURNING id INTO entry;
    INSERT INTO foundation.audit_unsealed VALUES (entry);
    RETURN entry;
END $$;
REVOKE EXECUTE ON FUNCTION foundation.record_audit_entry FROM PUBLIC;

-- What is hashed of a transfer (format 1): a JSON array, with ", " between its values. seq is not in
-- it: the block says which row stands where, and a row that was moved is known by its hash.
CREATE FUNCTION money.transfer_hash(p_row money.transfers) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(json_build_array(
        p_row.id, p_row.unit, p_row.debit_account, p_row.credit_account, p_row.amount, p_row.code,
        p_row.reference_id, p_row.hold_id, p_row.reversal_of, p_row.debit_balance,
        p_row.credit_balance, p_row.debit_restricted, p_row.credit_restricted,
        to_char(p_row.booked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(p_row.value_date, 'YYYY-MM-DD'))::text, 'UTF8'))
$$;

CREATE FUNCTION money.block_hash(p_previous bytea, p_seal money.ledger_seals) RETURNS bytea
LANGUAGE sql STABLE AS $$
    SELECT sha256(p_previous || convert_to(concat_ws('|', p_seal.format, p_seal.block,
               p_seal.first_seq, p_seal.last_seq, array_to_string(p_seal.seqs, ',')), 'UTF8')
           || (SELECT string_agg(u.hash, ''::bytea ORDER BY u.n)
                 FROM unnest(p_seal.row_hashes) WITH ORDINALITY AS u (hash, n)))
$$;

-- Transactions that are writing transfers at this moment. The lock is taken before seq is drawn and
-- kept to the end, also by one that has no transaction number yet; by their virtual numbers, which a
-- restored or restarted server has forgotten together with the transactions.
CREATE FUNCTION money.ledger_writers() RETURNS text[]
LANGUAGE sql VOLATILE SET search_path = money, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT l.virtualtransaction), '{}') FROM pg_locks l
     WHERE l.locktype = 'relation' AND l.relation = 'money.transfers'::regclass
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND l.mode = 'RowExclusiveLock' AND l.granted
$$;

-- Two steps, in two calls. One marks the last number that was drawn and then who is writing; when all
-- of those have ended, every transfer up to the mark has been committed or will never be. The
-- sequence caches nothing (CACHE 1), or numbers below the mark could be drawn after it.
CREATE FUNCTION money.settle_mark(p_head money.ledger_head) RETURNS money.ledger_head
LANGUAGE plpgsql SET search_path = money, pg_temp AS $$
BEGIN
    IF p_head.mark_seq IS NOT NULL AND NOT money.ledger_writers() && p_head.mark_writers THEN
        p_head.settled_seq := p_head.mark_seq;
        p_head.settled_at := p_head.mark_at;
        p_head.mark_seq := NULL;
    END IF;
    IF p_head.mark_seq IS NULL THEN
        p_head.mark_at := foundation.handsel_now();
        p_head.mark_seq := coalesce(pg_sequence_last_value(
            pg_get_serial_sequence('money.transfers', 'seq')::regclass), 0);
        p_head.mark_writers := money.ledger_writers();
    END IF;
    RETURN p_head;
END $$;

-- Seal what has settled, up to so many blocks of up to 1,000 numbers; how many of them were full (so
-- more may be waiting). One sealer at a time; a second one has nothing to do.
CREATE FUNCTION money.seal_ledger(p_blocks int DEFAULT 20) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    head money.ledger_head;
    seal money.ledger_seals;
    full_blocks int := 0;
BEGIN
    SELECT * INTO head FROM money.ledger_head FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    head := money.settle_mark(head);
    seal.format := 1;
    seal.sealed_at := foundation.handsel_now();
    seal.last_seq := head.last_seq;
    FOR i IN 1 .. p_blocks LOOP
        EXIT WHEN seal.last_seq >= head.settled_seq;
        seal.block := head.block + 1;
        seal.first_seq := head.last_seq + 1;
        -- A range, and not the next thousand rows: without a sorted index those cost a scan each time.
        seal.last_seq := least(seal.last_seq + 1000, head.settled_seq);
        SELECT count(*), array_agg(r.seq ORDER BY r.seq), array_agg(r.hash ORDER BY r.seq)
          INTO seal.transfers, seal.seqs, seal.row_hashes
          FROM (SELECT t.seq, money.transfer_hash(t) AS hash FROM money.transfers t
                 WHERE t.seq >= seal.first_seq AND t.seq <= seal.last_seq) AS r;
        IF seal.transfers = 0 THEN -- a gap: the next block begins with it
            seal.last_seq := coalesce((SELECT min(t.seq) - 1 FROM money.transfers t
                WHERE t.seq > seal.last_seq AND t.seq <= head.settled_seq), head.settled_seq);
            CONTINUE;
        END IF;
        seal.hash := money.block_hash(head.hash, seal);
        seal.entry_id := foundation.record_audit_entry('ledger', 'sealed', jsonb_build_object(
            'block', seal.block, 'last_seq', seal.last_seq, 'transfers', seal.transfers,
            'hash', encode(seal.hash, 'hex')));
        INSERT INTO money.ledger_seals SELECT seal.*;
        head.block := seal.block;
        head.last_seq := seal.last_seq;
        head.hash := seal.hash;
        full_blocks := full_blocks + (seal.last_seq - seal.first_seq >= 999)::int;
    END LOOP;
    UPDATE money.ledger_head SET block = head.block, last_seq = head.last_seq, hash = head.hash,
        settled_seq = head.settled_seq, settled_at = head.settled_at, mark_seq = head.mark_seq,
        mark_at = head.mark_at, mark_writers = head.mark_writers;
    RETURN full_blocks;
END $$;

-- Where the chain no longer follows from the transfers, in blocks p_from to p_until: the transfer that
-- was altered, is missing, was inserted among the sealed ones, or stands in another's place; then
-- what is wrong with the seals themselves.
CREATE FUNCTION money.ledger_breaks(
    p_limit int DEFAULT 10, p_from bigint DEFAULT 1, p_until bigint DEFAULT 9223372036854775807)
RETURNS TABLE (block bigint, seq bigint, transfer_id uuid, fault text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    WITH seal AS MATERIALIZED (
        SELECT s.* FROM money.ledger_seals s WHERE s.block BETWEEN p_from AND p_until
    ), sealed AS (
        SELECT s.block, u.seq, u.hash FROM seal s CROSS JOIN unnest(s.seqs, s.row_hashes) AS u (seq, hash)
    ), found AS (
        SELECT t.seq, t.id, money.transfer_hash(t) AS hash FROM money.transfers t
         WHERE t.seq > coalesce((SELECT max(s.last_seq) FROM money.ledger_seals s WHERE s.block < p_from), 0)
           AND t.seq <= (SELECT max(s.last_seq) FROM seal s)
    ), wrong AS (
        SELECT s.block, seq, f.id, s.hash AS was, f.hash AS now_is
          FROM sealed s FULL JOIN found f USING (seq)
         WHERE s.hash IS DISTINCT FROM f.hash ORDER BY seq LIMIT p_limit
    ), covering AS (
        SELECT coalesce(w.block, (SELECT min(s.block) FROM money.ledger_seals s WHERE s.last_seq >= w.seq))
               AS block, w.seq, w.id, w.was, w.now_is FROM wrong w
    ), chain AS (
        SELECT s.block, s.hash, s.first_seq, s.entry_id, money.block_hash(
                   coalesce(p.hash, sha256('handsel ledger')), s::money.ledger_seals) AS follows,
               p.block IS NULL AND s.block <> 1 AS gap, coalesce(p.last_seq, 0) + 1 AS begins
          FROM seal s LEFT JOIN money.ledger_seals p ON p.block = s.block - 1
    )
    SELECT c.block, c.seq, c.id, CASE
               WHEN c.now_is IS NULL THEN 'missing'
               WHEN c.now_is IN (SELECT unnest(s.row_hashes) FROM money.ledger_seals s
                                  WHERE s.block = c.block) THEN 'reordered'
               WHEN c.was IS NULL THEN 'inserted'
               ELSE 'altered' END
      FROM covering c
    UNION ALL
    SELECT c.block, NULL, NULL, CASE
               WHEN c.gap THEN 'the seal before is missing'
               WHEN c.follows IS DISTINCT FROM c.hash OR c.first_seq <> c.begins THEN 'the seal was altered'
               ELSE 'the audit chain knows another hash' END
      FROM chain c LEFT JOIN foundation.audit_entries e ON e.id = c.entry_id
     WHERE c.gap OR c.follows IS DISTINCT FROM c.hash OR c.first_seq <> c.begins
        OR e.body ->> 'hash' IS DISTINCT FROM encode(c.hash, 'hex')
    UNION ALL
    SELECT h.block, NULL, NULL, 'the head is not the last seal' FROM money.ledger_head h
     WHERE h.block <> (SELECT coalesce(max(s.block), 0) FROM money.ledger_seals s)
        OR h.block > 0 AND NOT EXISTS (SELECT FROM money.ledger_seals s
            WHERE s.block = h.block AND s.hash = h.hash AND s.last_seq = h.last_seq)
    ORDER BY 1, 2 LIMIT p_limit
$$;

-- Close a month, for good. Nothing is posted into it any more (``post`` looks at books.closed_until).
-- A request that began in its last second may still be writing: hence the hour, and the mark that
-- was set after its end.
CREATE FUNCTION money.close_period(p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    last_day date := (p_month + interval '1 month')::date - 1;
    over_at timestamptz := (last_day + 1)::timestamp AT TIME ZONE 'UTC';
    closed date;
    before bigint;
    head money.ledger_head;
    unbalanced text;
BEGIN
    SELECT b.closed_until INTO closed FROM money.books b FOR UPDATE;
    SELECT coalesce(max(p.through_seq), 0) INTO before FROM money.periods p;
    SELECT * INTO head FROM money.ledger_head;
    IF closed >= last_day THEN
        RAISE EXCEPTION 'period_already_closed' USING ERRCODE = 'HS001',
            DETAIL = format('the books are closed until %s', closed);
    ELSIF foundation.handsel_now() < over_at + interval '1 hour' THEN
        RAISE EXCEPTION 'period_not_over' USING ERRCODE = 'HS001',
            DETAIL = format('%s can be closed an hour after its end', to_char(p_month, 'YYYY-MM'));
    ELSIF EXISTS (SELECT FROM money.periods) AND p_month <> closed + 1
       OR EXISTS (SELECT FROM money.transfers t
                   WHERE t.seq > before AND t.value_date > closed AND t.value_date < p_month) THEN
        RAISE EXCEPTION 'period_before_open' USING ERRCODE = 'HS001';
    ELSIF head.settled_at IS NULL OR head.settled_at < over_at
       OR EXISTS (SELECT FROM money.transfers t
                   WHERE t.seq > head.last_seq AND t.value_date <= last_day) THEN
        RAISE EXCEPTION 'ledger_not_sealed' USING ERRCODE = 'HS001';
    END IF;
    INSERT INTO money.periods (month, ends_on, transfers, through_seq, ledger_block, closed_at)
    SELECT p_month, last_day, count(*) FILTER (WHERE t.value_date BETWEEN p_month AND last_day),
           least(head.settled_seq, min(t.seq) FILTER (WHERE t.value_date > last_day) - 1), head.block,
           foundation.handsel_now()
      FROM money.transfers t WHERE t.seq > before;
    INSERT INTO money.period_balances (month, kind, unit, opening, debits, credits, closing)
    WITH moved AS (
        SELECT a.kind, a.unit, sum(s.debit)::bigint AS debits, sum(s.credit)::bigint AS credits FROM (
            SELECT t.debit_account AS account, t.amount AS debit, 0 AS credit FROM money.transfers t
             WHERE t.seq > before AND t.value_date BETWEEN p_month AND last_day
            UNION ALL
            SELECT t.credit_account, 0, t.amount FROM money.transfers t
             WHERE t.seq > before AND t.value_date BETWEEN p_month AND last_day) AS s
          JOIN money.accounts a ON a.id = s.account GROUP BY a.kind, a.unit
    ), opened AS (
        SELECT DISTINCT ON (b.kind, b.unit) b.kind, b.unit, b.closing AS opening
          FROM money.period_balances b ORDER BY b.kind, b.unit, b.month DESC
    )
    SELECT p_month, kind, unit, coalesce(o.opening, 0), coalesce(m.debits, 0), coalesce(m.credits, 0),
           coalesce(o.opening, 0) + coalesce(m.credits, 0) - coalesce(m.debits, 0)
      FROM opened o FULL JOIN moved m USING (kind, unit)
     WHERE o.opening <> 0 OR m.kind IS NOT NULL;
    SELECT b.unit INTO unbalanced FROM money.period_balances b WHERE b.month = p_month
     GROUP BY b.unit HAVING sum(b.closing) <> 0;
    IF FOUND THEN
        RAISE EXCEPTION 'books_unbalanced' USING ERRCODE = 'HS001',
            DETAIL = format('the balances in %s do not sum to zero', unbalanced);
    END IF;
    UPDATE money.books SET closed_until = last_day;
    PERFORM foundation.record_audit_entry('ledger', 'period_closed', jsonb_build_object(
        'month', to_char(p_month, 'YYYY-MM'), 'ledger_block', head.block, 'balances', (
            SELECT jsonb_agg(jsonb_build_array(b.kind, b.unit, b.opening, b.debits, b.credits, b.closing)
                             ORDER BY b.kind, b.unit)
              FROM money.period_balances b WHERE b.month = p_month)));
END $$;

-- Balance of any account as its transfers tell it; of a folded one, since the last month that was
-- closed (for the house's accounts the trial balance has a line each).
CREATE OR REPLACE FUNCTION money.folded_balance(p_account uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
DECLARE
    opening bigint;
    after_seq bigint;
    after_day date;
BEGIN
    SELECT b.closing, p.through_seq, p.ends_on INTO opening, after_seq, after_day
      FROM money.accounts a
      JOIN money.period_balances b ON b.kind = a.kind AND b.unit = a.unit
      JOIN money.periods p ON p.month = b.month
     WHERE a.id = p_account AND a.folded ORDER BY b.month DESC LIMIT 1;
    after_seq := coalesce(after_seq, 0);
    after_day := coalesce(after_day, '-infinity');
    RETURN coalesce(opening, 0)
        + coalesce((SELECT sum(t.amount) FROM money.transfers t WHERE t.credit_account = p_account
                       AND t.seq > after_seq AND t.value_date > after_day), 0)
        - coalesce((SELECT sum(t.amount) FROM money.transfers t WHERE t.debit_account = p_account
                       AND t.seq > after_seq AND t.value_date > after_day), 0);
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA money FROM PUBLIC;
GRANT EXECUTE ON FUNCTION money.seal_ledger, money.ledger_breaks, money.close_period TO handsel_app;
