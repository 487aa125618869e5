-- Rentals: what a renter leaves as security, and what a listing asks for.

ALTER TABLE catalog.listings ADD COLUMN deposit_minor bigint NOT NULL DEFAULT 0
    CONSTRAINT listings_deposit CHECK (deposit_minor BETWEEN 0 AND 1000000000000000);
COMMENT ON COLUMN catalog.listings.deposit_minor IS 'for a rental, in the currency of the price';

-- A bond: money of one party that is held for an order beside its price. Its id is the id of its
-- hold; the hold refers to the order, and has an escrow account of its own.
CREATE TABLE deals.bonds (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES deals.orders,
    depositor_id uuid NOT NULL REFERENCES people.members,
    beneficiary_id uuid NOT NULL REFERENCES people.members,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
    unit text NOT NULL REFERENCES money.units,
    -- What the beneficiary asks for, what a dispute has given them, what they got.
    claimed bigint NOT NULL DEFAULT 0,
    ruled bigint,
    captured bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT bonds_one_each UNIQUE (order_id, depositor_id),
    CONSTRAINT bonds_two_people CHECK (depositor_id <> beneficiary_id),
    CONSTRAINT bonds_claim_fits CHECK (claimed BETWEEN 0 AND amount AND ruled BETWEEN 0 AND amount),
    CONSTRAINT bonds_captured CHECK (captured BETWEEN 0 AND amount AND (captured = 0 OR ended_at IS NOT NULL))
);
CREATE INDEX bonds_held ON deals.bonds (order_id) WHERE ended_at IS NULL;
GRANT SELECT ON deals.bonds TO handsel_app;

CREATE FUNCTION deals.open_bond(
    p_bond uuid, p_order uuid, p_depositor uuid, p_beneficiary uuid, p_amount bigint, p_unit text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
    INSERT INTO deals.bonds (id, order_id, depositor_id, beneficiary_id, amount, unit, opened_at)
    VALUES (p_bond, p_order, p_depositor, p_beneficiary, p_amount, p_unit, foundation.handsel_now())
$$;

-- What is asked for, or ruled; of a bond that is held.
CREATE FUNCTION deals.claim_bond(p_bond uuid, p_claimed bigint, p_ruled bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
BEGIN
    UPDATE deals.bonds SET claimed = coalesce(p_claimed, claimed), ruled = coalesce(p_ruled, ruled)
     WHERE id = p_bond AND ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'bond_ended' USING ERRCODE = 'HS001', DETAIL = 'the deposit is not held any more';
    END IF;
END $$;

-- Once: the hold is resolved in the same statement.
CREATE FUNCTION deals.end_bond(p_bond uuid, p_captured bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = deals, pg_temp AS $$
BEGIN
    UPDATE deals.bonds SET captured = p_captured, ended_at = foundation.handsel_now()
     WHERE id = p_bond AND ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'bond_ended' USING ERRCODE = 'HS001', DETAIL = 'the deposit is not held any more';
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION deals.open_bond, deals.claim_bond, deals.end_bond FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deals.open_bond, deals.claim_bond, deals.end_bond TO handsel_app;

-- What banks have taken back of an order is what they took of its price and of its bonds: whoever is
-- asked for the loss by the order's id would pay the bond twice. (A hold of its own has its own id.)
CREATE OR REPLACE FUNCTION money.charged_back(p_holds uuid[]) RETURNS TABLE (hold_id uuid, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = money, pg_temp AS $$
    SELECT h.reference_id, sum(p.amount)::bigint FROM money.holds h
      JOIN money.chargeback_parts p ON p.hold_id = h.id
      JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
     WHERE h.reference_id = ANY (p_holds) AND c.state <> 'won' GROUP BY h.reference_id
$$;
