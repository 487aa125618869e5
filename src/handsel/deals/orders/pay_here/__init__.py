"""Pay on the spot: ``pay_here``. A seller shows a code, the payer scans it and pays.

Owns the codes (``deals.pay_codes``): public, they name who is paid for what, and move nothing.
What is paid may be taken back for a quarter of an hour; then it is a sale like any other, with the
fee of the table and the hold period of the seller's tier.
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit

KIT = Kit(Path(__file__).parent)
