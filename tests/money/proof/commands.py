"""Every money command: drawn by a hand, said to the auditor, sent to the ledger.

A function draws one command from the books as they are, or None where there is nothing to do it to.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Transfer
from tests.money.proof.auditor import Auditor, Predict
from tests.money.proof.books import Place, Step
from tests.money.proof.hand import Command, Hand, Paper, account, house

Draw = Callable[[Hand], Command | None]
#: What else than transfers says what is on them (holds, reserves): reversing those transfers would
#: be wrong, and nobody does; but nothing refuses it yet.
_BOOKED_TWICE = {"pending", "reserve"}
#: Without those that answer a paper.
_FREEING = ("adjustment", "fee", "fee_tax", "fund_share", "netted", "release", "settle")
_OPEN_HOLD = ("uuid", "uuid", "uuid", "bigint", "text", "uuid", "timestamptz")
_POST = ("uuid[]", "uuid[]", "bigint[]", "text[]", "text[]", "uuid")
_INTENT = ("uuid", "uuid", "bigint", "text", "uuid")


# Transfers --------------------------------------------------------------------------------------


def posted(text: str, steps: Sequence[Step], reference: UUID) -> Command:
    """Linked transfers; also such as the service would never send."""

    def send(tx: Tx) -> None:
        debit, credit, amounts, units, codes = zip(*steps, strict=True)
        places = [[account(place).id for place in side] for side in (debit, credit)]
        tx.call("money.post", _POST, *places, amounts, units, codes, reference)

    return Command(f"{text} {steps}", lambda books: books.post(list(steps), reference), send)


def pay(hand: Hand) -> Command:
    """From one wallet to another, with any code that needs no paper of its own."""
    debit = hand.wallet()
    code = hand.pick(("adjustment", "settle", "fee", "refund", "hold", "release"))
    step = (debit, hand.other(debit), hand.amount(debit), debit[2], code)
    return posted("pay", [step], hand.uuid())


def pay_linked(hand: Hand) -> Command:
    """A chain of two to four transfers: what comes in may go out again."""
    place, steps = hand.wallet(), list[Step]()
    for _ in range(hand.luck.randrange(2, 5)):
        to = hand.other(place) if hand.chance(75) else house("fee", place[2])
        steps.append((place, to, hand.amount(place), place[2], hand.pick(("adjustment", "hold"))))
        place = to if hand.chance(50) else hand.other(place)
    return posted("linked", steps, hand.uuid())


def odd(hand: Hand) -> Command | None:
    """Words that make no sense: each is refused by a code of its own."""
    debit = hand.wallet()
    credit, unit, code, amount = hand.other(debit), debit[2], "adjustment", 5
    match hand.luck.randrange(6):
        case 0:
            code = hand.pick(("", "nonsense", "TOP_UP", "top_up "))
        case 1:
            unit = "GBP"
        case 2:
            credit = "wallet", hand.uuid(), unit
        case 3:
            credit = debit
        case 4:
            debit = "wallet", hand.uuid(), unit
        case _:
            held = hand.hold()
            if held is None:
                return None
            debit, credit, unit = held.escrow, held.payer, held.unit
    return posted("odd", [(debit, credit, amount, unit, code)], hand.uuid())


def pay_batch(hand: Hand) -> Command:
    """Set-based: the same accounts over and over, each line with a reference of its own."""
    unit, steps = hand.unit(), list[Step]()
    for _ in range(hand.luck.randrange(1, 9)):
        debit = hand.wallet(unit) if hand.chance(80) else house("provider_clearing", unit)
        credit = hand.other(debit) if hand.chance(85) else house("fee", unit)
        if hand.chance(2):
            credit = debit
        code = hand.pick(_FREEING) if hand.chance(98) else hand.pick(("hold", "nonsense"))
        steps.append((debit, credit, hand.amount(debit) // 2 or 1, unit, code))
    references = [hand.uuid() for _ in steps]
    batch = [
        (Transfer(account(debit), account(credit), amount, code), reference)
        for (debit, credit, amount, _, code), reference in zip(steps, references, strict=True)
    ]
    lines: list[tuple[Step, UUID, UUID | None]] = [
        (step, of, None) for step, of in zip(steps, references, strict=True)
    ]
    return Command(
        f"batch {steps}",
        lambda books: books.post_batch(lines),
        lambda tx: ledger.post_batch(tx, batch),
    )


def owe(hand: Hand) -> Command:
    """What a member owes: charged for a loss, or paid off, and never more than is owed."""
    wallet = hand.wallet()
    owed = "receivable", wallet[1], wallet[2]
    debt = -hand.books.balances.get(owed, 0)
    if hand.chance(50) or not debt:
        return posted(
            "charge",
            [(owed, house("losses", owed[2]), hand.amount(), owed[2], "adjustment")],
            hand.uuid(),
        )
    code = hand.pick(("settle", "adjustment", "hold"))
    return posted(
        "pay off", [(wallet, owed, hand.part(debt) + hand.chance(10), owed[2], code)], hand.uuid()
    )


def reverse(hand: Hand) -> Command | None:
    """Undo a transfer; also one that is undone, of a hold, or of nobody."""
    known = [
        of
        for of, line in hand.books.written.items()
        if not _BOOKED_TWICE & {line.debit[0], line.credit[0]}
    ]
    if not known:
        return None
    plain = [
        of for of in known if hand.books.written[of].hold is None and of not in hand.books.undone
    ]
    of = hand.pick(plain if plain and hand.chance(70) else known)
    if hand.chance(3):
        of = hand.uuid()
    return Command(
        f"reverse {of}", lambda books: books.reverse(of), lambda tx: ledger.reverse(tx, of)
    )


# Money in and out -------------------------------------------------------------------------------


def _papered(
    paper: Paper,
    intent: str,
    step: Step,
    after: Callable[[bool], None],
    also: Predict = lambda books: None,
) -> Command:
    """A transfer with the row of the payment it is for; ``also`` is what else that row says."""

    def predict(books: Auditor) -> None:
        also(books)
        books.post([step], paper.id)

    def send(tx: Tx) -> None:
        member, unit = paper.wallet[1:]
        tx.call(f"proof.{intent}", _INTENT, paper.id, member, paper.amount, unit, paper.of)
        debit, credit, amount, _, code = step
        ledger.post(tx, [Transfer(account(debit), account(credit), amount, code)], paper.id)

    return Command(f"{intent} {step}", predict, send, after=after)


def paid_in(hand: Hand, wallet: Place, amount: int) -> Command:
    """So much by card."""
    paper = Paper(hand.uuid(), wallet, amount)
    step = (house("provider_clearing", wallet[2]), wallet, amount, wallet[2], "top_up")

    def after(done: bool) -> None:
        if done:
            hand.top_ups.append(paper)

    def also(books: Auditor) -> None:
        books.cards[paper.id] = amount

    return _papered(paper, "topped_up", step, after, also)


def top_up(hand: Hand) -> Command:
    """By card."""
    return paid_in(hand, hand.wallet(), hand.luck.randrange(1, 120))


def withdraw(hand: Hand) -> Command:
    """On its way to the bank."""
    wallet = hand.wallet()
    paper = Paper(hand.uuid(), wallet, abs(hand.amount(wallet)) % 10**9 or 1)
    step = (wallet, house("payout_transit", wallet[2]), paper.amount, wallet[2], "withdraw")

    def after(done: bool) -> None:
        if done:
            hand.payouts.append(paper)

    return _papered(paper, "withdrawn", step, after)


def answer_payout(hand: Hand) -> Command | None:
    """The bank has it, or sent it back."""
    if not hand.payouts:
        return None
    paper, paid = hand.pick(hand.payouts), hand.chance(50)
    unit = paper.wallet[2]
    to = house("provider_clearing", unit) if paid else paper.wallet
    code = "payout" if paid else "payout_returned"
    step = (house("payout_transit", unit), to, paper.amount, unit, code)

    def after(done: bool) -> None:
        if done:
            hand.payouts.remove(paper)

    return _papered(paper, "paid_out" if paid else "sent_back", step, after)


def card_refund(hand: Hand) -> Command | None:
    """Back to the card it came from; more than the wallet has left of card money is refused."""
    left = hand.books.cards
    top_ups = [one for one in hand.top_ups if left[one.id] and hand.pinned in (None, one.wallet)]
    if not top_ups:
        return None
    of = hand.pick(top_ups)
    there = min(left[of.id], hand.books.restricted.get(of.wallet, 0))
    amount = hand.part(there) or hand.luck.randrange(1, left[of.id] + 1)
    paper, unit = Paper(hand.uuid(), of.wallet, amount, of.id), of.wallet[2]
    step = (of.wallet, house("refund_transit", unit), amount, unit, "card_refund")

    def after(done: bool) -> None:
        if done:
            hand.card_refunds.append(paper)

    return _papered(paper, "refunded", step, after, lambda books: books.back_to_card(of.id, amount))


def answer_card_refund(hand: Hand) -> Command | None:
    """The card took it, or did not."""
    if not hand.card_refunds:
        return None
    paper, taken = hand.pick(hand.card_refunds), hand.chance(50)
    unit = paper.wallet[2]
    to = house("provider_clearing", unit) if taken else paper.wallet
    code = "card_refund_done" if taken else "card_refund_failed"
    step = (house("refund_transit", unit), to, paper.amount, unit, code)

    def after(done: bool) -> None:
        if done:
            hand.card_refunds.remove(paper)

    def also(books: Auditor) -> None:
        if paper.of and not taken:
            books.back_to_card(paper.of, -paper.amount)

    return _papered(paper, "card_took_it" if taken else "card_failed", step, after, also)
