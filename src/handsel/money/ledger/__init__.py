"""The double-entry ledger: accounts, transfers, holds, statements. It knows no business words.

A transfer has one debit account, one credit account, an amount above zero and one unit; it is never
changed, only reversed, once. A hold moves money from a payer to an escrow account and resolves
exactly once, whole. Only the SQL functions of this room write these tables: the application's role
may read them and call the functions, nothing else. Called by payments and escrow.

What was written stays provable: ``seals`` links transfers into a chain off the hot path, its anchor
is kept elsewhere, ``export`` and ``verify`` need no trust in the database, ``periods`` closes a
month, ``journal`` tells it all to programs that are not ours.
"""
