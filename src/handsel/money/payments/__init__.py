"""Money in and out through a payment provider: top-ups, payout methods, withdrawals.

The provider is a port (``gateway``); the built-in one is a sandbox. A request only writes the
intent; a job asks the provider under a key derived from our id, and books the answer, so a crash
anywhere is repeated without a second effect. No card number ever reaches us, only tokens.
"""
