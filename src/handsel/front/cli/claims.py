"""``handsel claims``: what staff do with protection claims until the desk is there.

Who acts is named by ``--as``: a member of staff. Whoever may use the command line is trusted to say
who they are; that two different members decide on large claims is checked here as everywhere.
"""

from typing import Literal, TypeVar, cast, get_args
from uuid import UUID

import msgspec
import rich
from rich.table import Table

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.front.cli.console import say
from handsel.front.cli.transaction import run_in
from handsel.money.protection import deciding, queries
from handsel.money.protection.policy import ReasonCode
from handsel.people.members import service as members

T = TypeVar("T")


def list_claims(url: str, *, as_json: bool) -> None:
    """Open claims, the most urgent first."""
    found = run_in(url, lambda tx: queries.open_claims(tx.conn))
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    table = Table("claim", "amount", "credited", "deadline", "what happened", box=None)
    for claim in found:
        table.add_row(
            claim.id,
            str(claim.amount),
            str(claim.credited),
            f"{claim.deadline_at:%Y-%m-%d %H:%M}",
            claim.what_happened[:60],
        )
    rich.print(table)
    say(f"{len(found)} open claims")


def show_claim(url: str, claim: str) -> None:
    """Everything that its member sees."""
    wanted = decode("clm", claim)
    view = run_in(url, lambda tx: queries.one(tx.conn, wanted, None))
    print(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())


def decide_claim(
    url: str, claim: str, staff: str, outcome: Literal["upheld", "denied"], award_minor: int,
    reasons: list[str], note: str,
) -> None:  # fmt: skip
    """Decide, or propose to the second member of staff."""
    known = get_args(ReasonCode)
    for reason in reasons:
        if reason not in known:
            raise UserError(f"There is no reason {reason}; the reasons are {', '.join(known)}.")
    wanted = decode("clm", claim)

    async def work(tx: Tx) -> bool:
        by = await _staff(tx, staff)
        codes = [cast(ReasonCode, reason) for reason in reasons]
        return await deciding.decide(tx, by, wanted, outcome, award_minor, codes, note)

    done = run_in(url, work)
    say(f"{claim} is {outcome}." if done else "Now a second member of staff has to say the same.")


def extend_claim(url: str, claim: str, staff: str, note: str) -> None:
    """Take more time, once."""
    wanted = decode("clm", claim)

    async def work(tx: Tx) -> None:
        await deciding.extend(tx, await _staff(tx, staff), wanted, note)

    run_in(url, work)
    say(f"{claim} has more time.")


def recover_claim(url: str, claim: str, staff: str, source: str, most_minor: int) -> None:
    """Get money back into the fund from a member's wallet."""
    wanted = decode("clm", claim)

    async def work(tx: Tx) -> int | None:
        by = await _staff(tx, staff)
        holder = await members.find(tx, source)
        return await deciding.recover(tx, by, wanted, holder.id, most_minor)

    amount = run_in(url, work)
    if amount is None:
        say("Now a second member of staff has to say the same.")
    else:
        say(f"{amount} minor units are back in the fund.")


async def _staff(tx: Tx, handle: str) -> UUID:
    found = await members.find_staff(tx, handle)
    if found is None:
        raise UserError(f"{handle} is no member of staff.")
    return found
