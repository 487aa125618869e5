"""What is not in the table is refused, for every process: by the engine (every state, move and
actor), and by the service on a real order in each of its states, where nothing moves."""

import random
from itertools import product

import pytest

from handsel.deals.orders import queries
from handsel.deals.orders import service as orders
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import TransitionInput
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process
from handsel.deals.process.engine import NotYourMove, TransitionNotAllowed
from handsel.foundation.core.errors import NotFound, Problem
from handsel.foundation.db.uow import Tx
from handsel.front.cli.processes import shipped
from tests.deals.process.openers import NOTE, Deal, confirmed, open_service, person

PROCESSES = [pytest.param(p, id=f"{p.name}@{p.version}") for p in shipped().values()]
UNKNOWN = ("steal", "")
#: A seed whose service has no agreed time.
UNDATED = 2
#: Everything that a move may change, as one text.
SNAPSHOT = """
SELECT concat_ws('|',
  (SELECT jsonb_agg(to_jsonb(o) ORDER BY o.id) FROM deals.orders o),
  (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.order_id, t.transition) FROM deals.timers t),
  (SELECT count(*) FROM deals.moves), (SELECT count(*) FROM money.transfers),
  (SELECT jsonb_agg(to_jsonb(h) ORDER BY h.id) FROM money.holds h),
  (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.id) FROM money.accounts a),
  (SELECT count(*) FROM people.exposures))
"""
#: One way through the states of a service, and who goes it.
WALK = (
    ("customer", "fund"), ("provider", "accept"), ("provider", "deliver"),
    ("customer", "request_changes"), ("provider", "deliver_changes"), ("customer", "object"),
    ("provider", "give_back"),
)  # fmt: skip


@pytest.mark.parametrize("process", PROCESSES)
def test_the_engine_refuses_whatever_is_not_in_the_table(process: Process) -> None:
    names = [*(t.name for t in process.transitions), *UNKNOWN]
    roles = [*process.roles, SYSTEM, "stranger"]
    table = {(s, t.name): t.actors for t in process.transitions for s in t.source}
    refused = 0
    for state, name, role in product(process.states, names, roles):
        actors = table.get((state, name))
        if actors is not None and role in actors:
            assert engine.choose(process, state, name, role).name == name
            continue
        with pytest.raises(TransitionNotAllowed if actors is None else NotYourMove) as caught:
            engine.choose(process, state, name, role)
        assert caught.value.status == (409 if actors is None else 403)
        refused += 1

    legal = sum(len(actors) for actors in table.values())
    assert refused == len(process.states) * len(names) * len(roles) - legal


async def refusals(tx: Tx, deal: Deal, process: Process, state: str) -> int:
    """Try every move that is not in the table, as each of the two; how many were refused."""
    names = [*(t.name for t in process.transitions), *UNKNOWN]
    tried = 0
    for role, name in product(deal.people, names):
        mine = [t for t in process.leaving(state) if t.name == name]
        if mine and role in mine[0].actors:
            continue
        data = TransitionInput(name=name, note=NOTE, amount_minor=100, customer_minor=100)
        with pytest.raises(Problem) as caught:
            await orders.transition(tx, deal.people[role], deal.order_id, data)
        expected = ("not_your_move", 403) if mine else ("transition_not_allowed", 409)
        assert (caught.value.code, caught.value.status) == expected, f"{role} {name} in {state}"
        tried += 1
    return tried


async def test_the_service_refuses_it_in_every_state_and_moves_nothing(tx: Tx) -> None:
    process = current("service")
    deal = await open_service(tx, random.Random(UNDATED))
    tried = 0

    for role, name in (*WALK, ("", "")):
        order = await queries.load(tx.conn, deal.order_id)
        before = await tx.fetchval(SNAPSHOT)
        tried += await refusals(tx, deal, process, order.state)
        await tx.flush()
        assert await tx.fetchval(SNAPSHOT) == before, order.state
        if name:
            token = await confirmed(tx, deal, order) if name == "fund" else None
            data = TransitionInput(name=name, note=NOTE, confirmation=token)
            await orders.transition(tx, deal.people[role], deal.order_id, data)
            await tx.flush()

    assert order.state == "refunded"
    assert tried > len(WALK) * len(process.transitions)


async def test_for_somebody_else_there_is_no_such_order(tx: Tx) -> None:
    deal = await open_service(tx, random.Random(UNDATED))
    stranger = await person(tx)
    before = await tx.fetchval(SNAPSHOT)

    with pytest.raises(NotFound):
        await orders.transition(tx, stranger, deal.order_id, TransitionInput(name="abandon"))

    await tx.flush()
    assert await tx.fetchval(SNAPSHOT) == before
