"""Many clients at the same moment, from several processes.

What they do follows from a seed: each process draws the same hundred commands and sends its share.

As a program: ``python -m tests.money.proof.racers URL SCENE SEED SHARE OF``. It connects, says
"ready", waits for a line, and prints its answers.
"""

import asyncio
import sys
from collections.abc import Callable
from random import Random
from uuid import UUID

import msgspec

from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from tests.money.proof import commands, orders, settling
from tests.money.proof.auditor import predict
from tests.money.proof.driver import Proof, answer, fresh_hand
from tests.money.proof.hand import Command, Hand, house

CLIENTS = 100
_PROCESSES = 2
_PRICE = 10
_RESOLVING = (orders.release, orders.refund, orders.split, orders.release_many)


def _step(hand: Hand, command: Command | None) -> Command:
    """It is going to be done: the hand draws on from there."""
    assert command is not None
    hand.books = predict(hand.books, command.predict)[1]
    return command


def _many(hand: Hand, *draws: Callable[[Hand], Command | None]) -> list[Command]:
    drawn = [hand.pick(draws)(hand) for _ in range(CLIENTS)]
    return [command for command in drawn if command is not None]


def _held(hand: Hand) -> list[Command]:
    """Money in, and a hold that everybody reaches for."""
    payer, order = ("wallet", hand.members[0], "EUR"), UUID(int=1, version=4)
    before = [_step(hand, commands.paid_in(hand, payer, 500))]
    before.append(_step(hand, orders.held_for(order, payer, 300)))
    hand.pinned_hold = order
    return before


def one_hold(hand: Hand) -> tuple[list[Command], list[Command]]:
    """A hundred who release, refund, split or expire it."""
    return _held(hand), _many(hand, *_RESOLVING)


def parts_of_a_hold(hand: Hand) -> tuple[list[Command], list[Command]]:
    """A hundred who pay back a part, and two who pay back all."""
    return _held(hand), [*_many(hand, orders.refund_part), *_many(hand, orders.refund)[:2]]


def what_waits(hand: Hand) -> tuple[list[Command], list[Command]]:
    """A hold that was released, and a hundred who settle it."""
    before = _held(hand)
    before.append(_step(hand, orders.release(hand)))
    return before, _many(hand, settling.settle)


def one_wallet(hand: Hand) -> tuple[list[Command], list[Command]]:
    """Half of what a hundred clients want to spend, all the same amount, in any way there is."""
    payer = "wallet", hand.members[0], "EUR"
    before = [_step(hand, commands.paid_in(hand, payer, CLIENTS // 2 * _PRICE))]
    racers = []
    for _ in range(CLIENTS):
        to = hand.pick((hand.other(payer), house("fee", "EUR")))
        single = commands.posted("pay", [(payer, to, _PRICE, "EUR", "adjustment")], hand.uuid())
        racers.append(hand.pick((single, orders.held_for(hand.uuid(), payer, _PRICE))))
    return before, racers


SCENES: dict[str, Callable[[Hand], tuple[list[Command], list[Command]]]] = {
    "one_hold": one_hold,
    "parts_of_a_hold": parts_of_a_hold,
    "what_waits": what_waits,
    "one_wallet": one_wallet,
}


async def race(proof: Proof, url: str, scene: str, seed: int) -> list[str]:
    """All of them at once; the auditor agrees. Their answers, in the order of the commands."""
    before, racers = SCENES[scene](fresh_hand(Random(seed)))
    await proof.begin(Random(seed), f"{scene}, seed {seed}")
    for command in before:
        await proof.do(command)
    args = ["-m", "tests.money.proof.racers", url, scene, str(seed)]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, *args, str(share), str(_PROCESSES), stdin=pipe, stdout=pipe
        )
        for share in range(_PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    answers = [""] * len(racers)
    for share, (out, _) in enumerate(said):
        answers[share::_PROCESSES] = msgspec.json.decode(out, type=list[str])
    await proof.explain(racers, answers)
    await proof.compare_all()
    return answers


async def _share(url: str, scene: str, seed: int, share: int, of: int) -> None:
    _, racers = SCENES[scene](fresh_hand(Random(seed)))
    mine = racers[share::of]
    pool = await open_pool(url, size=len(mine), durable=False)
    taken = [await pool.acquire() for _ in mine]
    for connection in taken:
        await pool.release(connection)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    database = Database(pool)
    answers = await asyncio.gather(*(answer(database, command) for command in mine))
    print(msgspec.json.encode(answers).decode())
    await pool.close()


if __name__ == "__main__":
    _url, _scene, _seed, _of, _all = sys.argv[1:]
    asyncio.run(_share(_url, _scene, int(_seed), int(_of), int(_all)))
