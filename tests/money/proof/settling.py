"""What comes after a sale: settlement and reserves, stopped accounts, closed months."""

from datetime import timedelta
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import service as escrow
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Settlement
from tests.money.proof.auditor import Auditor
from tests.money.proof.books import Place
from tests.money.proof.hand import Command, Hand, account, house

_SALES = ("uuid[]", "uuid[]", "bigint[]", "text[]", "int", "interval")


def settle(hand: Hand) -> Command | None:
    """What waits of one order or of many: to the wallet, and to what is owed."""
    many = hand.luck.randrange(1, 6) if hand.chance(40) else 1
    helds = {held.id: held for _ in range(many) if (held := hand.hold("waiting")) and held.payee}
    if not helds:
        return None
    parts: list[tuple[UUID, Place, int, str]] = []
    for held in helds.values():
        waiting = held.pending or hand.luck.randrange(1, 50)
        if hand.chance(6):
            waiting += hand.pick((-1, 1))
        first = hand.part(waiting) if hand.chance(40) else 0
        for kind, amount in (
            ("receivable", first),
            ("wallet", waiting - first),
        ):
            if amount and held.payee:
                parts.append((held.id, (kind, held.payee, held.unit), amount, "settle"))
    if not parts:
        return None

    def predict(books: Auditor) -> None:
        books.open_accounts(*(to for _, to, _, _ in parts))
        books.settle(parts)

    def send(tx: Tx) -> None:
        ledger.open_accounts(tx, [account(to) for _, to, _, _ in parts])
        ledger.settle_holds(tx, [Settlement(of, account(to), n, code) for of, to, n, code in parts])

    return Command(f"settle {parts}", predict, send)


def settle_sales(hand: Hand) -> Command | None:
    """As the sweep does it: what the seller owes comes first."""
    many = hand.luck.randrange(1, 6)
    helds = {held.id: held for _ in range(many) if (held := hand.hold("waiting")) and held.payee}
    sales = [
        (held.id, held.payee, held.pending + hand.chance(2), held.unit)
        for held in helds.values()
        if held.payee and held.pending
    ]
    if not sales:
        return None
    bps, due = hand.pick((0, 0, 1, 2500, 9999, 10_000)), hand.chance(60)
    if not bps:
        return Command(
            f"settle sales {sales}",
            lambda books: books.settle_sales(sales),
            lambda tx: escrow.settle_many(tx, sales),
        )
    columns = [list(column) for column in zip(*sales, strict=True)]
    keep = timedelta(0) if due else timedelta(days=36_500)
    return Command(
        f"settle sales {sales}, reserve {bps} for {keep}",
        lambda books: books.settle_sales(sales, bps, due=due),
        lambda tx: tx.call("money.settle_sales", _SALES, *columns, bps, keep),
    )


def release_reserves(hand: Hand) -> Command | None:
    """As the sweep does it."""
    if hand.books.closed:  # the clock stands before what was kept back
        return None
    return Command(
        "release reserves",
        lambda books: books.release_reserves(),
        lambda tx: tx.call("money.release_reserves", ("int",), 500),
    )


# Accounts and days ------------------------------------------------------------------------------


def set_state(hand: Hand) -> Command:
    """Stop an account, open it again (mostly), or close it for good."""
    stopped = [place for place, state in hand.books.states.items() if state == "frozen"]
    places = list(hand.books.states)
    if stopped and hand.chance(70):
        place, state = hand.pick(stopped), "open"
    else:
        place = hand.pinned or hand.pick(places)
        state = "closed" if place[0] in ("escrow", "pending") or hand.chance(5) else "frozen"
    if hand.chance(4):
        place = hand.pick((("wallet", hand.uuid(), place[2]), house("fee", place[2])))
    return Command(
        f"{state} {place}",
        lambda books: books.set_state(place, state),
        lambda tx: ledger.set_account_state(tx, account(place), state, None, "proof"),  # type: ignore[arg-type]
    )


def close_books(hand: Hand) -> Command | None:
    """The month ends, is sealed and closed; sometimes the clock is then put back into it."""
    if hand.books.closed:
        return None
    back = hand.chance(60)
    month = "date_trunc('month', foundation.handsel_now())"
    statements = [
        f"SELECT foundation.advance_clock({month} + '1 month 2 hours' - foundation.handsel_now())",
        "SELECT money.seal_ledger()",  # what was written before this one
        "SELECT money.seal_ledger()",  # has settled by this one
        f"SELECT money.close_period(({month} - interval '1 month')::date)",
    ]
    if back:
        statements.append("SELECT foundation.advance_clock('-3 hours')")

    def predict(books: Auditor) -> None:
        books.closed = back

    text = "close the month" + (", and turn the clock back" if back else "")
    return Command(text, predict, owner_sql=tuple(statements))


def next_day(hand: Hand) -> Command:
    """The clock goes on."""

    def predict(books: Auditor) -> None:
        books.closed = False

    return Command("next day", predict, owner_sql=("SELECT foundation.advance_clock('1 day')",))
