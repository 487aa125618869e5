"""The outbox: events written with their cause, relayed as jobs.

Owns ``foundation.outbox``. What holds here:

- An event exists exactly when the transaction that emitted it committed (``Tx.emit``).
- It becomes one job for each subscriber of its topic, exactly once, whatever relays race or die:
  enqueueing and marking it are one transaction, claimed by row lock. No cursor moves over the ids,
  since a smaller id may commit later.
- The business transaction never does NOTIFY, which serialises commits; the relay's own does.
- No order is promised, not even by aggregate: jobs run concurrently and are retried.
"""

from handsel.foundation.outbox.relay import Event, Subscriptions, event_of, prune, relay_once

__all__ = ["Event", "Subscriptions", "event_of", "prune", "relay_once"]
