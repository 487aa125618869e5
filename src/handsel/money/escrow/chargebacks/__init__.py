"""Chargebacks: the payer's bank takes a card payment back, and somebody has to bear it.

Where the payment's money is now is worked out from the payer's wallet (``attribution``), not kept
on the hot path. While a chargeback runs nothing of that money moves on: what lies in the payer's
wallet and what its seller already has is set aside (``contested``); holds that it paid neither
release nor settle, and what they give back to the payer is set aside at once, by the database
itself. Won, all goes back where it came from; lost, it pays the bank, and what is missing is owed
by whoever bears it (``waterfall``). The rows here say what the provider claims and what it
concerned; every cent is told by the ledger alone, under the chargeback's id. Called by the worker
with what the provider says.
"""
