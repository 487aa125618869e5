"""The commands on holds: opened, paid back, resolved, disputed."""

from datetime import timedelta
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.ledger import service as ledger
from tests.money.proof.auditor import LONGEST_DAYS, Auditor, Held, Leg
from tests.money.proof.books import Place
from tests.money.proof.hand import Command, Hand, account, house

_OPEN_HOLD = ("uuid", "uuid", "uuid", "bigint", "text", "uuid", "timestamptz")
_RESOLVE = ("uuid", "text", "uuid[]", "bigint[]", "text[]", "uuid")


def hold(hand: Hand) -> Command:
    """For a new order; sometimes for one that has a hold already, or for too long."""
    payer = hand.wallet()
    again = hand.hold("open") if hand.chance(3) else None
    order = again.id if again else hand.uuid()
    return held_for(order, payer, hand.amount(payer), LONGEST_DAYS + hand.chance(3))


def held_for(order: UUID, payer: Place, amount: int, days: int = LONGEST_DAYS) -> Command:
    """So much for this order."""
    place: Place = ("escrow", order, payer[2])

    def predict(books: Auditor) -> None:
        books.open_accounts(payer, place)
        books.open_hold(order, payer, amount, days)

    def send(tx: Tx) -> None:
        until = tx.now + timedelta(days=days)
        if days <= LONGEST_DAYS:
            escrow.hold(tx, order, payer[1], amount, payer[2], until)
            return
        ledger.open_accounts(tx, [account(payer), account(place)])
        ids = account(payer).id, account(place).id
        tx.call("money.open_hold", _OPEN_HOLD, order, *ids, amount, payer[2], order, until)

    return Command(f"hold {amount} of {payer} for {order}, {days} days", predict, send)


def refund_part(hand: Hand) -> Command | None:
    """Up to all but one of what is held, and the edges beyond."""
    held = hand.hold()
    if held is None:
        return None
    order, amount = held.id, hand.part(held.left) if hand.chance(90) else hand.amount()
    return Command(
        f"refund {amount} of {order}",
        lambda books: books.refund_part(order, amount),
        lambda tx: ledger.refund_part(tx, order, amount),
    )


def _left(hand: Hand, held: Held) -> int:
    """What is to be paid out: what is left, or a cent too much or too little."""
    left = held.left or held.amount
    return left + hand.pick((-1, 1)) if hand.chance(5) else left


def release(hand: Hand) -> Command | None:
    """To the payee's pending money, less the fee."""
    held = hand.hold()
    if held is None:
        return None
    order, whole, seller = held.id, _left(hand, held), hand.payee(held)
    (fee, fund, tax), pending = hand.fee(whole), _pending(held)
    sale = escrow.Sale(order, seller, whole, held.unit, _fee(fee, fund, tax))

    def predict(books: Auditor) -> None:
        books.open_accounts(pending)
        legs = [("release", pending, whole - fee), *_fee_legs(held.unit, fee, fund, tax)]
        books.resolve(order, "released", legs, seller)

    return Command(
        f"release {whole} of {order} to {seller}, fee {fee} ({fund}, {tax})",
        predict,
        lambda tx: escrow.release(tx, sale),
    )


def refund(hand: Hand) -> Command | None:
    """All of it back to the payer, by agreement or since the time is over."""
    held = hand.hold()
    if held is None:
        return None
    order, whole, expired = held.id, _left(hand, held), hand.chance(40)
    state = "expired" if expired else "refunded"
    legs = [("refund", held.payer, whole)]

    def predict(books: Auditor) -> None:
        books.resolve(order, state, legs)

    payer, unit = held.payer[1], held.unit
    return Command(
        f"{state} {whole} of {order}",
        predict,
        lambda tx: escrow.refund(tx, order, payer, whole, unit, expired=expired),
    )


def split(hand: Hand) -> Command | None:
    """A part to the payee, the rest back."""
    held = hand.hold()
    if held is None:
        return None
    order, whole, seller = held.id, _left(hand, held), hand.payee(held)
    kept = hand.part(whole)
    (fee, fund, tax), pending = hand.fee(kept), _pending(held)
    sale = escrow.Sale(order, seller, kept, held.unit, _fee(fee, fund, tax))

    def predict(books: Auditor) -> None:
        books.open_accounts(pending)
        own = [("release", pending, kept - fee), *_fee_legs(held.unit, fee, fund, tax)]
        books.resolve(order, "split", [*own, ("refund", held.payer, whole - kept)], seller)

    payer = held.payer[1]
    return Command(
        f"split {whole} of {order}: {kept} to {seller}, fee {fee} ({fund}, {tax})",
        predict,
        lambda tx: escrow.split(tx, sale, payer, whole - kept),
    )


def odd_resolution(hand: Hand) -> Command | None:
    """Legs to the wrong account, that do not add up, of no known kind, negative, or of no hold."""
    held = hand.hold()
    if held is None:
        return None
    order, left = held.id, held.left or held.amount
    wallet, fee = held.payer, house("fee", held.unit)
    legs: list[Leg] = [("refund", wallet, left)]
    match hand.luck.randrange(6):
        case 0:
            order = hand.uuid()
        case 4:
            legs = [("refund", hand.other(wallet), left)]
        case 5:
            legs = [(hand.pick(("release", "fee", "fund_share")), hand.other(wallet), left)]
        case 1:
            legs = [(hand.pick(("settle", "adjustment", "hold", "partial_refund")), wallet, left)]
        case 2:
            legs = [("refund", wallet, left + 1), ("fee", fee, -1)]
        case _:
            legs += [("fee", fee, hand.part(left) + 1)]
    ids, amounts = [account(to).id for _, to, _ in legs], [amount for _, _, amount in legs]
    names = [name for name, _, _ in legs]

    def predict(books: Auditor) -> None:
        books.resolve(order, "refunded", legs)

    def send(tx: Tx) -> None:
        tx.call("money.resolve_hold", _RESOLVE, order, "refunded", ids, amounts, names, None)

    return Command(f"odd resolution of {order}: {legs}", predict, send)


def release_many(hand: Hand) -> Command | None:
    """A batch of orders."""
    helds = {held.id: held for _ in range(hand.luck.randrange(1, 6)) if (held := hand.hold())}
    if not helds:
        return None
    releases: list[tuple[UUID, UUID, list[Leg]]] = []
    sales: list[escrow.Sale] = []
    for held in helds.values():
        whole, seller = _left(hand, held), hand.payee(held)
        fee, fund, tax = hand.fee(whole)
        legs = [("release", _pending(held), whole - fee), *_fee_legs(held.unit, fee, fund, tax)]
        releases.append((held.id, seller, legs))
        sales.append(escrow.Sale(held.id, seller, whole, held.unit, _fee(fee, fund, tax)))
    if hand.chance(3):
        releases.append(releases[0])
        sales.append(sales[0])

    def predict(books: Auditor) -> None:
        books.open_accounts(*(_pending(held) for held in helds.values()))
        books.release_many(releases)

    return Command(f"release many {releases}", predict, lambda tx: escrow.release_many(tx, sales))


def dispute(hand: Hand) -> Command | None:
    """The payer's bank takes a payment back, or gives it back again."""
    held = hand.hold(hand.pick(("open", "waiting")))
    if held is None:
        return None
    order, disputed = held.id, not held.disputed
    function = "money.dispute_holds" if disputed else "money.free_holds"
    return Command(
        f"{function} {order}",
        lambda books: books.mark(order, disputed),
        lambda tx: tx.call(function, ("uuid[]",), [order]),
    )


def _pending(held: Held) -> Place:
    return "pending", held.id, held.unit


def _fee(amount: int, fund: int, tax: int) -> Fee:
    return Fee(
        amount_minor=amount,
        fund_share_minor=fund,
        tax_minor=tax,
        rate_bps=0,
        reason="x",
        table_version="t",
    )


def _fee_legs(unit: str, fee: int, fund: int, tax: int) -> list[Leg]:
    return [
        ("fee", house("fee", unit), fee - fund - tax),
        ("fund_share", house("protection_fund", unit), fund),
        ("fee_tax", house("fee_tax", unit), tax),
    ]
