"""What must hold of gifts and hours: (name, rule, tables, rows, violations), as ``Check`` has."""

_HOURS = "money.transfers t JOIN money.units u ON u.code = t.unit AND u.kind = 'time'"
_NOT_BETWEEN_PEOPLE = f"""
SELECT t.id AS what FROM {_HOURS}
  JOIN money.accounts d ON d.id = t.debit_account
  JOIN money.accounts c ON c.id = t.credit_account
 WHERE t.code NOT IN ('hold', 'refund', 'partial_refund', 'arrive')
    OR d.kind NOT IN ('time', 'escrow') OR c.kind NOT IN ('time', 'escrow')
"""
_BLEACHED = """
SELECT a.id AS what FROM money.transfers a
  JOIN money.transfers h ON h.hold_id = a.hold_id AND h.code = 'hold'
 WHERE a.code = 'arrive' AND a.credit_restricted < h.credit_restricted
"""

PEOPLE: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "P01_hours_stay_between_people",
        "hours go from person to person through escrow, and come from nowhere else",
        ("money.transfers", "money.units"),
        f"SELECT count(*) FROM {_HOURS}",
        _NOT_BETWEEN_PEOPLE,
    ),
    (
        "P02_gifts_stay_card_money",
        "what was held of card money is card money where it arrives",
        ("money.transfers",),
        "SELECT count(*) FROM money.transfers WHERE code = 'arrive'",
        _BLEACHED,
    ),
)
