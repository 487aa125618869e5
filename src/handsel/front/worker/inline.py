"""Work without a worker process: every event's jobs at once, in this process.

For the sample town and for tests, which move the clock themselves. The handlers and the table of
subscriptions are the worker's own; only the queue between them is left out.
"""

import msgspec

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.jobs import Handler, Job
from handsel.foundation.outbox import Event
from handsel.front.worker import agreements, appeals, chargebacks, claims, disputes, reviews, wallet
from handsel.front.worker.app import sweep_orders
from handsel.front.worker.handlers import handlers
from handsel.front.worker.provider_events import NotKnownYet
from handsel.front.worker.subscriptions import SUBSCRIPTIONS
from handsel.money.payments import sandbox_desk
from handsel.money.payments.disputes import UnknownCharge
from handsel.money.payments.gateway import ProviderUnavailable
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.service import gateway_of, sandbox_secret
from handsel.people.members import service as members

_ROUNDS = 50
_ATTEMPTS = 3


class InlineWorker:
    """Does what the worker would, when it is told to."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._gateway = gateway_of(settings, database)
        self._handlers = handlers(database, settings, self._gateway)

    async def drain(self) -> None:
        """Run the jobs of every waiting event, and of the events that these cause."""
        for _ in range(_ROUNDS):
            events = await self._take()
            if not events and not await self._hear_provider():
                return
            for event in events:
                for name in SUBSCRIPTIONS.get(event.topic, ()):
                    await self._run(self._handlers[name], name, event)
        raise RuntimeError("events cause events without end")

    async def run_due(self) -> None:
        """Make every move whose time has come, and drain, until nothing more is due."""
        for _ in range(_ROUNDS):
            rechecked = await members.recheck_due(self._database, self._settings)
            moved = await sweep_orders(self._database)
            moved += await wallet.sweep(self._database)
            moved += await chargebacks.sweep(self._database)
            moved += await claims.sweep(self._database)
            moved += await appeals.sweep(self._database)
            moved += await disputes.sweep(self._database)
            moved += await reviews.sweep(self._database)
            moved += await agreements.sweep(self._database)
            await self.drain()
            if not moved and not rechecked:
                return

    async def _hear_provider(self) -> int:
        """What the sandbox provider tells by now."""
        if not isinstance(self._gateway, SandboxGateway):
            return 0
        secret = sandbox_secret(self._settings)
        return await sandbox_desk.deliver(self._database, self._gateway, secret)

    async def _take(self) -> list[Event]:
        async with self._database.transaction() as tx:
            rows = await tx.fetch(
                "UPDATE foundation.outbox SET relayed_at = occurred_at"
                " WHERE relayed_at IS NULL RETURNING id, topic, aggregate_id, occurred_at, payload"
            )
        return [Event(**dict(row)) for row in sorted(rows, key=lambda row: row["id"])]

    async def _run(self, handler: Handler, name: str, event: Event) -> None:
        payload = msgspec.json.decode(msgspec.json.encode(event))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await handler(Job(0, name, payload, event.id, attempt))
            except ProviderUnavailable:
                if attempt == _ATTEMPTS:
                    raise
            except (NotKnownYet, UnknownCharge):
                return None  # the worker's sweep comes back to it
        return None
