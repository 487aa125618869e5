"""Which command comes next, and what racers reach for at the same moment."""

from dataclasses import dataclass

from tests.money.proof import commands, orders, settling
from tests.money.proof.commands import Draw
from tests.money.proof.hand import Command, Hand, account
from tests.money.proof.settling import next_day


@dataclass(frozen=True)
class Race:
    """Commands for the same moment; ``lock``: what they all wait at before the first is let go."""

    commands: list[Command]
    lock: str = ""


#: Command to how often it comes.
DRAWS: dict[Draw, int] = {
    commands.top_up: 9,
    commands.pay: 8,
    commands.pay_linked: 5,
    commands.pay_batch: 6,
    commands.odd: 4,
    commands.owe: 4,
    commands.reverse: 6,
    commands.withdraw: 5,
    commands.answer_payout: 5,
    commands.card_refund: 4,
    commands.answer_card_refund: 4,
    orders.hold: 14,
    orders.refund_part: 7,
    orders.release: 8,
    orders.refund: 3,
    orders.split: 5,
    orders.odd_resolution: 2,
    orders.release_many: 4,
    settling.settle: 6,
    settling.settle_sales: 7,
    settling.release_reserves: 2,
    orders.dispute: 5,
    settling.set_state: 5,
    settling.close_books: 1,
}
_NAMES, _WEIGHTS = list(DRAWS), list(DRAWS.values())
_OF_A_HOLD: tuple[Draw, ...] = (
    orders.refund_part, orders.release, orders.refund, orders.split, orders.release_many,
    orders.release_many, orders.dispute,
)  # fmt: skip
_OF_WHAT_WAITS: tuple[Draw, ...] = (settling.settle, settling.settle_sales, orders.dispute)
_OF_A_WALLET: tuple[Draw, ...] = (
    commands.pay, commands.withdraw, commands.card_refund, commands.top_up, commands.pay_linked,
    commands.pay_batch, orders.hold, orders.hold, settling.set_state,
)  # fmt: skip


def draw(hand: Hand) -> Command:
    """One command that makes sense now. A day whose books are closed does not last."""
    if hand.books.closed and hand.chance(30):
        return next_day(hand)
    while True:
        command = hand.luck.choices(_NAMES, _WEIGHTS)[0](hand)
        if command is not None:
            return command


def draw_race(hand: Hand) -> Race:
    """Two to five commands on one hold, on what waits of it, on one wallet, or on one transfer."""
    many, theme = hand.luck.randrange(2, 6), hand.luck.randrange(4)
    held = hand.hold("waiting" if theme == 1 else "open")
    if theme == 3:
        one = commands.reverse(hand)
        return Race([one] * many if one else [])
    lock = ""
    if theme == 2 or held is None:
        of = _OF_A_WALLET
        hand.pinned = hand.wallet()
        lock = f"accounts WHERE id = '{account(hand.pinned).id}'"
    else:
        of = _OF_WHAT_WAITS if theme == 1 else _OF_A_HOLD
        hand.pinned_hold = held.id
        lock = f"holds WHERE id = '{held.id}'"
    drawn = [hand.pick(of)(hand) for _ in range(many)]
    hand.pinned = hand.pinned_hold = None
    found = [command for command in drawn if command is not None]
    return Race(found, f"SELECT FROM money.{lock} FOR UPDATE" if hand.chance(60) else "")
