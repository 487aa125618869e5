"""Where money is and how it moves: ledger, payments, escrow."""
