"""What must hold of bonds: (name, rule, tables, rows, violations), as ``Check`` has them."""

# The second half: for an order there is no hold but that of its price and those of its bonds.
_AGREE = """
SELECT b.id AS what FROM deals.bonds b LEFT JOIN money.holds h ON h.id = b.id
   AND h.reference_id = b.order_id AND h.amount = b.amount AND h.unit = b.unit
   AND h.payer_account = money.account_id('wallet', b.depositor_id, b.unit)
 WHERE h.id IS NULL OR (h.state = 'open') <> (b.ended_at IS NULL)
    OR h.released <> b.captured OR h.fee <> 0
    OR b.captured > 0 AND h.payee_id IS DISTINCT FROM b.beneficiary_id
UNION ALL
SELECT h.id FROM money.holds h JOIN deals.orders o ON o.id = h.reference_id
 WHERE h.id <> o.id AND NOT EXISTS (SELECT FROM deals.bonds b WHERE b.id = h.id)
"""
_END = """
SELECT b.id AS what FROM deals.bonds b LEFT JOIN deals.orders o ON o.id = b.order_id
  LEFT JOIN money.holds h ON h.id = b.id
 WHERE o.id IS NULL OR b.ended_at IS NULL AND NOT ({is_held})
    OR (b.depositor_id, b.beneficiary_id) NOT IN
       ((o.customer_id, o.provider_id), (o.provider_id, o.customer_id))
    OR h.pending > 0 AND o.state IN ('settled', 'closed', 'charged_back')
"""


def bonds(is_held: str) -> tuple[tuple[str, str, tuple[str, ...], str, str], ...]:
    """``is_held``: the SQL condition that an order ``o`` is in a state that holds money."""
    return (
        (
            "L26_bonds_agree_with_holds",
            "a bond has a hold of its amount, open as long as it, released as far as captured",
            ("deals.bonds", "money.holds"),
            "SELECT count(*) FROM deals.bonds",
            _AGREE,
        ),
        (
            "L27_bonds_end_with_their_order",
            "a bond is held while its order holds money, and nothing of it waits when that is over",
            ("deals.bonds", "deals.orders", "money.holds"),
            "SELECT count(*) FROM deals.bonds",
            _END.format(is_held=is_held),
        ),
    )
