-- Of the test, in its own database alone: made by counters.py, together with proof.look.
DROP SCHEMA IF EXISTS proof CASCADE;
CREATE SCHEMA proof;
GRANT USAGE ON SCHEMA proof TO handsel_app;
-- A transfer with its accounts by name.
CREATE VIEW proof.lines AS
SELECT t.id, t.seq, d.kind AS d_kind, d.owner_id AS d_owner, d.unit AS d_unit,
       c.kind AS c_kind, c.owner_id AS c_owner, c.unit AS c_unit, t.unit, t.amount, t.code, t.reference_id, t.hold_id, t.reversal_of,
       t.debit_balance, t.credit_balance, t.debit_restricted, t.credit_restricted
  FROM money.transfers t
  JOIN money.accounts d ON d.id = t.debit_account JOIN money.accounts c ON c.id = t.credit_account;

-- The papers that the transfers in and out are for: what the room of payments writes.
CREATE FUNCTION proof.topped_up(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO money.top_ups (id, member_id, amount, unit, token, state, created_at)
    VALUES (p_id, p_member, p_amount, p_unit, 'tok_proof', 'succeeded', foundation.handsel_now());
$$;
CREATE FUNCTION proof.withdrawn(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO money.withdrawals (id, member_id, method_id, amount, unit, created_at)
    SELECT p_id, p_member, m.id, p_amount, p_unit, foundation.handsel_now()
      FROM money.payout_methods m WHERE m.member_id = p_member;
$$;
CREATE FUNCTION proof.paid_out(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE money.withdrawals SET state = 'paid' WHERE id = p_id AND state = 'pending';
$$;
CREATE FUNCTION proof.sent_back(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE money.withdrawals SET state = 'returned' WHERE id = p_id AND state = 'pending';
$$;
CREATE FUNCTION proof.refunded(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO money.card_refunds (id, member_id, top_up_id, amount, unit, created_at)
    VALUES (p_id, p_member, p_of, p_amount, p_unit, foundation.handsel_now());
    UPDATE money.top_ups SET refunded = refunded + p_amount WHERE id = p_of;
$$;
CREATE FUNCTION proof.card_took_it(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE money.card_refunds SET state = 'succeeded' WHERE id = p_id AND state = 'pending';
$$;
CREATE FUNCTION proof.card_failed(p_id uuid, p_member uuid, p_amount bigint, p_unit text, p_of uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE money.card_refunds SET state = 'failed' WHERE id = p_id AND state = 'pending';
    UPDATE money.top_ups SET refunded = refunded - p_amount WHERE id = p_of;
$$;

-- Sums that the auditor has too.
CREATE FUNCTION proof.sums() RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[a.n, a.balance, a.restricted, a.stopped, h.n, h.open, h.amount, h.released,
                 h.refunded, h.fee, h.pending, h.disputed,
                 (SELECT count(*) FROM foundation.audit_entries
                   WHERE stream = 'ledger' AND action LIKE 'account%')]
      FROM (SELECT count(*) AS n, coalesce(sum(balance), 0)::bigint AS balance,
                   coalesce(sum(restricted), 0)::bigint AS restricted,
                   count(*) FILTER (WHERE state <> 'open') AS stopped
              FROM money.accounts WHERE NOT folded) AS a,
           (SELECT count(*) AS n, count(*) FILTER (WHERE state = 'open') AS open,
                   coalesce(sum(amount), 0)::bigint AS amount,
                   coalesce(sum(released), 0)::bigint AS released,
                   coalesce(sum(refunded), 0)::bigint AS refunded,
                   coalesce(sum(fee), 0)::bigint AS fee,
                   coalesce(sum(pending), 0)::bigint AS pending,
                   count(disputed_at) AS disputed FROM money.holds) AS h
$$;

-- A new epoch: no orders, nobody's money, the clock and the books at their beginning. The triggers
-- that refuse to forget are asleep for this session alone.
CREATE FUNCTION proof.begin(p_units text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    TRUNCATE money.accounts, money.transfers, money.holds, money.top_ups, money.withdrawals,
        money.ledger_seals, money.periods, money.reserves, foundation.audit_entries,
        foundation.audit_unsealed, foundation.outbox RESTART IDENTITY CASCADE;
    INSERT INTO money.accounts (kind, owner_id, unit, min_balance, max_balance, folded)
    SELECT k.kind, '00000000-0000-0000-0000-000000000000', u.unit, k.min_balance, k.max_balance,
           k.folded
      FROM money.account_kinds k CROSS JOIN unnest(p_units) AS u (unit)
     -- Only those that the commands use: adding up each of them is most of what a step costs.
     WHERE k.kind IN ('provider_clearing', 'payout_transit', 'refund_transit', 'fee',
                      'protection_fund', 'fee_tax', 'losses');
    UPDATE foundation.clock SET ahead = '0';
    UPDATE money.ledger_head SET block = 0, last_seq = 0, settled_seq = 0,
        hash = sha256('handsel ledger'), settled_at = NULL, mark_seq = NULL, mark_at = NULL, mark_writers = NULL;
    UPDATE money.books SET closed_until = '1970-01-01';
END $$;
