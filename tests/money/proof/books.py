"""A second ledger's accounts and transfers, written from the rules and not from the code.

Plain numbers and dicts. It imports nothing of the product: a mistake would have to be made twice,
in two ways, to go unseen. Whatever raises ``Refused`` may leave these books half changed: the
caller works on a copy.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from typing import Self

#: (kind, owner, unit) names an account.
Place = tuple[str, UUID, str]
#: (from, to, amount, unit, code).
Step = tuple[Place, Place, int, str, str]

HOUSE = UUID(int=0)
LARGEST = 10**15

#: What a code does with money that came by card. It arrives with ``source``; ``carries`` takes it
#: along, before any other; ``free_only`` may not touch it, ``restricted_only`` nothing else;
#: ``frees`` takes it last and forgets what it was.
RULES = {
    "top_up": "source",
    "card_refund_failed": "source",
    "hold": "carries",
    "refund": "carries",
    "partial_refund": "carries",
    "reversal": "carries",
    "withdraw": "free_only",
    "card_refund": "restricted_only",
    "release": "frees",
    "fee": "frees",
    "fund_share": "frees",
    "fee_tax": "frees",
    "netted": "frees",
    "reserved": "frees",
    "reserve_released": "frees",
    "settle": "frees",
    "payout": "frees",
    "payout_returned": "frees",
    "card_refund_done": "frees",
    "adjustment": "frees",
}


class Refused(Exception):
    """The ledger must refuse, with one of ``codes``."""

    def __init__(self, *codes: str) -> None:
        self.codes = frozenset(codes)
        super().__init__(*sorted(codes))


@dataclass(frozen=True, slots=True)
class Line:
    """A transfer, as its row should read; what an account of the house has afterwards is None."""

    debit: Place
    credit: Place
    amount: int
    unit: str
    code: str
    reference: UUID
    hold: UUID | None
    reversal_of: UUID | None
    debit_after: int | None
    credit_after: int | None
    debit_restricted: int | None
    credit_restricted: int | None


def is_house(place: Place) -> bool:
    """Accounts of the house are sums of their lines: any balance, never stopped."""
    return place[1] == HOUSE


@dataclass(slots=True)
class Books:
    """Accounts by place; ``lines`` are those of the command at hand."""

    balances: dict[Place, int] = field(default_factory=dict)
    restricted: dict[Place, int] = field(default_factory=dict)
    states: dict[Place, str] = field(default_factory=dict)
    closed: bool = False
    #: Transfers by the id that the database gave them, and which of them have been undone.
    written: dict[UUID, Line] = field(default_factory=dict)
    undone: frozenset[UUID] = frozenset()
    lines: list[Line] = field(default_factory=list)
    #: How often an account was stopped or opened again: each time stands in the audit chain.
    acts: int = 0

    def copy(self) -> "Self":
        """Deep enough: ``written`` is shared, since it only grows once a command is over."""
        return replace(
            self,
            balances=dict(self.balances),
            restricted=dict(self.restricted),
            states=dict(self.states),
            lines=list(self.lines),
        )

    def open_accounts(self, *places: Place) -> None:
        """Those that are there stay as they are."""
        for place in places:
            self.states.setdefault(place, "open")
            self.balances.setdefault(place, 0)
            self.restricted.setdefault(place, 0)

    def set_state(self, place: Place, state: str) -> None:
        """Freeze, open, close."""
        if place not in self.states or is_house(place):
            raise Refused("unknown_account")
        if self.states[place] == "closed":
            raise Refused("account_not_open")
        if state == "closed" and self.balances[place] != 0:
            raise Refused("account_not_empty")
        self.states[place] = state
        self.acts += 1

    def post(
        self,
        steps: list[Step],
        reference: UUID,
        hold: UUID | None = None,
        reversal_of: UUID | None = None,
    ) -> None:
        """One after another, all or none."""
        for step in steps:
            if RULES.get(step[4]) is None:
                raise Refused("unknown_transfer_code")
            if self.closed:
                raise Refused("period_closed")
            if not 1 <= step[2] <= LARGEST:
                raise Refused("invalid_amount")
            if wrong := self._unusable(step, hold) | self._short(step):
                raise Refused(*wrong)
            self._move(step, reference, hold, reversal_of)

    def post_batch(self, steps: list[tuple[Step, UUID, UUID | None]]) -> None:
        """The same end as ``post``; of several faults of a class any may be named."""
        if self.closed:
            raise Refused("period_closed")
        if any(RULES.get(step[4]) != "frees" for step, _, _ in steps):
            raise Refused("unknown_transfer_code")
        if any(not 1 <= step[2] <= LARGEST for step, _, _ in steps):
            raise Refused("invalid_amount")
        if wrong := set[str]().union(*(self._unusable(step, hold) for step, _, hold in steps)):
            raise Refused(*wrong)
        for step, reference, hold in steps:
            wrong |= self._short(step)
            self._move(step, reference, hold, None)
        if wrong & {"insufficient_funds", "nothing_owed"}:
            wrong |= {"insufficient_funds", "nothing_owed"}
        if wrong:
            raise Refused(*wrong)

    def reverse(self, transfer: UUID) -> None:
        """The mirror image, once."""
        was = self.written.get(transfer)
        if was is None:
            raise Refused("unknown_transfer")
        if was.hold is not None:
            raise Refused("transfer_of_hold")
        if transfer in self.undone:
            raise Refused("already_reversed")
        step = (was.credit, was.debit, was.amount, was.unit, "reversal")
        self.post([step], was.reference, None, transfer)
        self.undone |= {transfer}

    def _unusable(self, step: Step, hold: UUID | None) -> set[str]:
        """What is wrong with its accounts."""
        wrong = set[str]()
        for place in step[:2]:
            state = "open" if is_house(place) else self.states.get(place)
            if state is None:
                wrong.add("unknown_account")
            elif place[2] != step[3]:
                wrong.add("unit_mismatch")
            elif state != "open":
                wrong.add("account_not_open")
            elif place[0] == "escrow" and hold is None:
                wrong.add("hold_needed")
        return wrong

    def _short(self, step: Step) -> set[str]:
        """What is wrong with its money."""
        debit, credit, amount, _, code = step
        wrong = {"same_account"} if debit == credit else set[str]()
        balance, restricted = self.balances.get(debit, 0), self.restricted.get(debit, 0)
        if not is_house(debit):
            if debit[0] != "receivable" and balance < amount:
                wrong.add("insufficient_funds")
            if RULES[code] == "free_only" and restricted and balance - amount < restricted:
                wrong.add("not_withdrawable")
            if RULES[code] == "restricted_only" and amount > restricted:
                wrong.add("exceeds_card_money")
        if credit[0] == "receivable":
            if self.balances.get(credit, 0) + amount > 0:
                wrong.add("nothing_owed")
            if self._carried(step):
                wrong.add("not_withdrawable")
        return wrong

    def _carried(self, step: Step) -> int:
        """How much of what arrives came by card."""
        rule = RULES[step[4]]
        if rule == "source":
            return step[2]
        return min(self.restricted.get(step[0], 0), step[2]) if rule == "carries" else 0

    def _move(
        self, step: Step, reference: UUID, hold: UUID | None, reversal_of: UUID | None
    ) -> None:
        debit, credit, amount, unit, code = step
        carried = self._carried(step)
        if not is_house(debit):
            self.balances[debit] -= amount
            kept = self.restricted[debit]
            self.restricted[debit] = {
                "carries": kept - carried,
                "restricted_only": kept - amount,
                "free_only": kept,
            }.get(RULES[code], max(min(kept, self.balances[debit]), 0))
        if not is_house(credit):
            self.balances[credit] += amount
            self.restricted[credit] += carried
        after = [
            None if is_house(place) else numbers[place]
            for numbers in (self.balances, self.restricted)
            for place in (debit, credit)
        ]
        self.lines.append(
            Line(debit, credit, amount, unit, code, reference, hold, reversal_of, *after)
        )
