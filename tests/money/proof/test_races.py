"""A hundred clients, from two processes, reach for one thing at the same moment."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.money.proof.auditor import DONE
from tests.money.proof.driver import Proof, proving
from tests.money.proof.racers import CLIENTS, race


@pytest.fixture(scope="module")
async def proof(database_url: str) -> AsyncIterator[Proof]:
    """Over the module's own database."""
    async with proving(database_url) as one:
        yield one


@pytest.mark.parametrize("seed", range(3))
async def test_of_a_hundred_who_resolve_a_hold_one_does(
    proof: Proof, database_url: str, seed: int
) -> None:
    answers = await race(proof, database_url, "one_hold", seed)

    held = next(iter(proof.hand.books.holds.values()))
    assert answers.count(DONE) == 1
    assert set(answers) <= {DONE, "hold_resolved", "hold_sum_mismatch"}
    assert held.state != "open"
    assert held.released + held.refunded + held.fee == held.amount == 300


async def test_a_hundred_who_pay_back_parts_never_pay_back_more_than_is_held(
    proof: Proof, database_url: str
) -> None:
    answers = await race(proof, database_url, "parts_of_a_hold", 1)

    held = next(iter(proof.hand.books.holds.values()))
    assert answers.count(DONE) > 1
    assert "refund_exceeds_remainder" in answers
    back = [line for line in proof.hand.books.written.values() if line.code == "partial_refund"]
    assert sum(line.amount for line in back) == held.refunded <= 300


async def test_of_a_hundred_who_settle_what_waits_one_does(proof: Proof, database_url: str) -> None:
    answers = await race(proof, database_url, "what_waits", 1)

    assert answers.count(DONE) == 1
    assert set(answers) <= {DONE, "nothing_pending", "nothing_owed", "insufficient_funds"}


async def test_a_hundred_who_spend_a_wallet_get_what_is_in_it(
    proof: Proof, database_url: str
) -> None:
    answers = await race(proof, database_url, "one_wallet", 1)

    assert Counter(answers) == {DONE: CLIENTS // 2, "insufficient_funds": CLIENTS // 2}
    wallet = "wallet", proof.hand.members[0], "EUR"
    assert proof.hand.books.balances[wallet] == 0
