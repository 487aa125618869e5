"""Search over live listings: the index feed, the engines, the public answer.

Owns ``catalog.search_documents`` and ``catalog.search_vocabulary`` (derived, rebuilt from the
listings at any time; their shape is ``handsel_search``'s). What holds here: an answer shows only
rows that were live when it was made, with their present price, whatever the index says; every
distance ends at a published point; the index may lag, but never goes back to an older version; with
Meilisearch slow or dead PostgreSQL answers, and the answer says ``degraded``. Nothing calls it from
above but HTTP and the worker.
"""
