"""The schema's history: Alembic revisions, each a plain SQL file beside its Python stub.

Every revision runs in a transaction, as the owner role; there is no way back but forward, since a
ledger that is downgraded has lost something.
"""
