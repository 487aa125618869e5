"""Reconciliation: the provider's report and the bank's statement against the ledger.

Every day, and whenever it is asked for; running it again changes nothing that has not changed. What
differs is a row with an age, tells itself when it is old enough not to be a matter of hours, and
closes by itself when the other side turns up.
"""
