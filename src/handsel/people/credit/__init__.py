"""Two credit scores of each member: facts in, snapshots out.

Owns ``people.facts`` (append-only; when it happened, when it was known) and
``people.score_snapshots`` (append-only; both scores of a member as of a moment, with reasons,
model, feature vector and what was known). What the facts mean and how a score is made belongs to
`handsel_ml`; this room stores, serves it and shows a member their own scores, nobody else's.

Also the register of models: ``people.models`` and ``model_events`` (append-only: who registered,
judged, approved, promoted, rolled back), ``model_seats`` (who serves now) and ``shadow_scores``
(what challengers say, seen by nobody). Nothing serves that has not passed its gates, been watched
and been approved by two members of staff; one person takes it away again.

Invariants: a repeated event adds nothing (source, member, kind are unique); a snapshot used exactly
the facts known strictly before its moment, so it can be made again to the bit; a model that is
missing, altered or gives no number yields a snapshot that says so, never a guess; a score is never
made inside a payment: the worker calls ``refresh``, the gate in trust reads what is stored.
"""
