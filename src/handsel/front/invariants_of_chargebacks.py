"""What must hold of chargebacks: (name, rule, tables, rows, violations), as ``Check`` has them."""

from handsel.money.escrow.chargebacks.queries import CODES

_CLEAR = f"""
SELECT c.id AS what FROM money.chargebacks c
 CROSS JOIN LATERAL (
    SELECT sum(amount) AS all, sum(amount - gone_back) FILTER (WHERE EXISTS (
               SELECT FROM money.holds h WHERE h.id = p.hold_id AND h.state = 'open')) AS held
      FROM money.chargeback_parts p WHERE p.chargeback_id = c.id AND p.round = c.round) AS p
 CROSS JOIN LATERAL (
    SELECT sum(CASE WHEN code = 'dispute_taken' THEN amount
                    WHEN code LIKE 'contest%' THEN 0 ELSE -amount END) AS away
      FROM money.transfers WHERE reference_id = c.id AND {CODES}) AS t
  LEFT JOIN money.accounts a ON a.kind = 'contested' AND a.owner_id = c.id
 WHERE p.all IS DISTINCT FROM c.amount
    OR t.away IS DISTINCT FROM CASE WHEN c.state IN ('open', 'evidence_sent') THEN c.amount
                                    WHEN c.state = 'won' THEN 0 ELSE coalesce(p.held, 0) END
    OR a.balance <> 0 AND c.state NOT IN ('open', 'evidence_sent') OR a.balance > c.amount
UNION ALL
SELECT t.id FROM money.accounts a
  JOIN money.transfers t ON a.id IN (t.debit_account, t.credit_account)
 WHERE a.kind = 'dispute_transit' AND NOT EXISTS (
    SELECT FROM money.chargebacks c WHERE c.id = t.reference_id AND t.{CODES})
"""
_STOPPED = """
SELECT h.id AS what FROM money.holds h LEFT JOIN (
    SELECT DISTINCT p.hold_id FROM money.chargeback_parts p
      JOIN money.chargebacks c ON c.id = p.chargeback_id AND c.round = p.round
      JOIN money.holds o ON o.id = p.hold_id
     WHERE c.state IN ('open', 'evidence_sent')
        OR c.state <> 'won' AND o.state = 'open' AND p.gone_back < p.amount
    ) AS d ON d.hold_id = h.id
 WHERE (h.disputed_at IS NOT NULL) <> (d.hold_id IS NOT NULL)
"""

CHARGEBACKS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "L24_chargebacks_clear",
        "what a bank took is on its way, then returned or paid, but for what an order still holds",
        ("money.chargebacks", "money.transfers"),
        "SELECT count(*) FROM money.chargebacks",
        _CLEAR,
    ),
    (
        "L25_disputes_stop_money",
        "a hold is stopped exactly while a chargeback runs on it, or has taken what it still holds",
        ("money.chargeback_parts", "money.holds"),
        "SELECT count(*) FROM money.chargeback_parts",
        _STOPPED,
    ),
)
