"""Search as a library: documents, queries, two engines with one meaning, and the order "best".

Owns the index tables of the PostgreSQL engine (``ddl``) and the Meilisearch index; both are derived
data and can be rebuilt. Invariants: filters mean the same on every engine; every distance is
geodesic to the published point; pages of a sort are exact by (key, id); no financial score or money
tier is ever stored, filtered by or ranked by. Imports nothing of ``handsel``; called by
``catalog.search`` and the importer.
"""
