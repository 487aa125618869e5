"""How long things may last at most, and whose silence pays whom: what the model of every process is
checked against (``process.model``)."""

from dataclasses import replace
from datetime import timedelta

from handsel.deals.orders.negotiated.guards import FUND_AHEAD
from handsel.deals.orders.rental.kit import PAYING as RENTAL_PAYS
from handsel.deals.orders.terms import LATEST_START
from handsel.deals.process.definition import Process
from handsel.deals.process.model import Bounds
from handsel.money.ledger.service import LONGEST_HOLD

#: What nobody bounds may be longer than any hold.
_UNBOUNDED = timedelta(days=90)
_HOUSE = Bounds(
    hold=LONGEST_HOLD,
    due=LATEST_START,
    terms={
        "inspection_period": timedelta(days=5),  # of the categories; a test looks at them
        "hold_period": timedelta(days=14),
        "offer_validity": timedelta(days=30),
        "revocable_for": timedelta(days=2),
    },
    paying=frozenset({"release", *RENTAL_PAYS}),
    proofs=frozenset({"proof_given", "hand_over_code"}),
    # Who pays on the spot, or sends, has said so by paying.
    unproved=frozenset({"pay_here", "instant_transfer"}),
    rounds={"rounds_left": 2},
)
#: Money is held no earlier than so long before the work is due, where a guard sees to it.
_FUNDED_AHEAD = {"milestone": FUND_AHEAD}


def bounds_of(process: Process) -> Bounds:
    """What holds for the orders of this process."""
    named = {m.duration for t in process.transitions for m in t.moments()}
    others = {name: _UNBOUNDED for name in named if isinstance(name, str)}
    due = _FUNDED_AHEAD.get(process.name, _HOUSE.due)
    return replace(_HOUSE, due=due, terms=others | dict(_HOUSE.terms))
