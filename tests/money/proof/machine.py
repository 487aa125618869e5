"""The commands as Hypothesis' state machine: a failure is shrunk to few commands and small numbers.

Hypothesis costs more than the commands do, so it drives a part of the steps, and a seeded hand
(``soak.epoch``) the bulk; both draw from the same table and are judged by the same auditor.
"""

import asyncio
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.money.proof.commands import Draw
from tests.money.proof.draws import DRAWS, draw_race
from tests.money.proof.driver import Proof
from tests.money.proof.settling import next_day

_LUCK = st.randoms(use_true_random=False)


class MoneyMachine(RuleBasedStateMachine):
    """A rule for each command; ``runner`` and ``proof`` are given by the test."""

    runner: ClassVar[asyncio.Runner]
    proof: ClassVar[Proof]

    @initialize()
    def begin(self) -> None:
        """An epoch of its own for each example."""
        self.runner.run(self.proof.begin(Random(0), "machine"))

    @rule(luck=_LUCK)
    def race(self, luck: Random) -> None:
        """Some at the same moment."""
        self.proof.hand.luck = luck
        self.runner.run(self.proof.race(draw_race(self.proof.hand)))

    @rule(luck=_LUCK)
    def tomorrow(self, luck: Random) -> None:
        """Ends a closed day."""
        self.runner.run(self.proof.do(next_day(self.proof.hand)))

    def teardown(self) -> None:
        """Whatever the commands were: every row."""
        if hasattr(self.proof, "hand"):
            self.runner.run(self.proof.compare_all())


def _rule(draw: Draw) -> Any:
    def do(self: MoneyMachine, luck: Random) -> None:
        self.proof.hand.luck = luck
        command = draw(self.proof.hand)
        if command is not None:
            self.runner.run(self.proof.do(command))

    do.__name__ = draw.__name__
    do.__doc__ = draw.__doc__
    return rule(luck=_LUCK)(do)


for _draw in DRAWS:
    setattr(MoneyMachine, _draw.__name__, _rule(_draw))
