"""handsel: a credit-scored marketplace with protected payments.

Eight wings, each using only the wings named before it: foundation, people, money, catalog, deals,
reach, desk, front. ARCHITECTURE.md is the plan of the house.
"""

__version__ = "0.1.0"
