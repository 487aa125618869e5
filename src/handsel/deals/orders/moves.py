"""What a move is made of, and what a room of orders brings along for its processes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from handsel.deals.orders.queries import Order, Proposal
from handsel.deals.orders.schemas import MoneyLine, TransitionInput
from handsel.deals.process.definition import SYSTEM, Role
from handsel.foundation.db.uow import Tx
from handsel.people.trust.service import Decision, Payment


@dataclass(slots=True)
class Move:
    """A move in the making: what guards and actions may look at, and what they found out.

    ``decision``: what trust said, where a guard asked; it is reserved with the move.
    ``proposal``: what the other side has proposed and this move accepts. ``deposit``: what trust
    said of the deposit, which is a payment of its own beside the price.
    """

    order: Order
    data: TransitionInput
    role: Role = SYSTEM
    actor_id: UUID | None = None
    decision: Decision | None = None
    proposal: Proposal | None = None
    hold_period: timedelta | None = None
    deposit: Decision | None = None

    def payment(self) -> Payment:
        """What trust is asked about."""
        order = self.order
        return Payment(
            payer_id=order.customer_id,
            payee_id=order.provider_id,
            amount_minor=order.amount,
            currency=order.unit,
            terms_hash=order.terms_hash,
            reference_id=order.id,
        )


#: Refuses a move by raising a problem; moves nothing itself.
Guard = Callable[[Tx, Move], Awaitable[None]]
#: Moves the order's money and says how: the lines of the timeline.
Action = Callable[[Tx, Move], Awaitable[list[MoneyLine]]]
#: Writes down what belongs to the move and moves no money.
Write = Callable[[Tx, Move], Awaitable[None]]
#: An action for many orders in one go, a list of lines for each.
Batch = Callable[[Tx, Sequence[Order]], list[list[MoneyLine]]]


@dataclass(frozen=True)
class Kit:
    """A room of orders: the folder of its process files, and the names that they may use.

    ``terms``: the durations that an order of this room freezes at sale (``Terms.durations``).
    ``stopped``: the actions that the ledger refuses while a chargeback runs.
    """

    folder: Path
    guards: Mapping[str, Guard] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    batches: Mapping[str, Batch] = field(default_factory=dict)
    terms: frozenset[str] = frozenset()
    writes: Mapping[str, Write] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
