"""Who may move how much: tiers, exposures, confirmations, decisions.

Owns the policy (`tiers.toml`, one table for everybody, versioned, read again when it changes) and
the tables ``people.standings`` (track records), ``settlements``, ``exposures`` (what a payer has at
risk), ``decisions`` and ``policies`` (append-only: each with what it was made of, and the text of
each policy that decided) and ``confirmations``.

A member's tier is the lowest of what verification, track record, financial and social score allow.
Limits act on the payer alone: the payee's tier decides how long their money is held, and that they
may be paid at all, never how much a buyer may fund, since the money waits in a hold.

Invariants: a limit holds also when payments run at once (the payer's standing is locked from the
decision to the commit, and the sums are checked again where they are counted); every decision has
the inputs and the policy's version it was made of and can be made again; a confirmation is bound to
payer, payee, amount, currency and terms and serves once.

Whoever moves money calls, in its own transaction: ``decide``, ``require``, where the decision asks
for it ``consume_confirmation``, then ``reserve``; later ``settle`` or ``release``. A refusal is
logged by itself, when the problem that it becomes undoes the transaction.
"""
