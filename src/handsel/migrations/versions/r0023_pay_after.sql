-- Debts of those who did not pay after the work: collected out of later income.
CREATE TABLE deals.debts (
    order_id uuid PRIMARY KEY REFERENCES deals.orders,
    debtor_id uuid NOT NULL REFERENCES people.members,
    creditor_id uuid NOT NULL REFERENCES people.members,
    unit text NOT NULL REFERENCES money.units,
    amount bigint NOT NULL CHECK (amount > 0),
    paid bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT debts_not_overpaid CHECK (paid BETWEEN 0 AND amount)
);
CREATE INDEX debts_open ON deals.debts (debtor_id, unit, opened_at) WHERE closed_at IS NULL;

INSERT INTO money.transfer_codes (code, restriction, meaning) VALUES
    ('debt_collected', 'free_only', 'later income pays what was owed after the work');

CREATE FUNCTION deals.open_debt(p_order uuid, p_debtor uuid, p_creditor uuid, p_unit text, p_amount bigint)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.debts (order_id, debtor_id, creditor_id, unit, amount, opened_at)
    VALUES (p_order, p_debtor, p_creditor, p_unit, p_amount, foundation.handsel_now())
$$;

CREATE FUNCTION deals.lock_debt(p_order uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    SELECT d.amount - d.paid FROM deals.debts d WHERE d.order_id = p_order FOR UPDATE
$$;

CREATE FUNCTION deals.pay_debt(p_order uuid, p_amount bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.debts SET paid = paid + p_amount,
           closed_at = CASE WHEN paid + p_amount = amount THEN foundation.handsel_now() END
     WHERE order_id = p_order
$$;

CREATE FUNCTION deals.close_debt(p_order uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    UPDATE deals.debts SET closed_at = foundation.handsel_now()
     WHERE order_id = p_order AND closed_at IS NULL
$$;

GRANT SELECT ON deals.debts TO handsel_app;
REVOKE EXECUTE ON FUNCTION deals.open_debt, deals.lock_debt, deals.pay_debt, deals.close_debt FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.open_debt, deals.lock_debt, deals.pay_debt, deals.close_debt TO handsel_app;
