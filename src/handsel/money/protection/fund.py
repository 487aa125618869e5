"""The protection fund: what it lends, pays and gets back, and its ratio to what may be asked."""

from uuid import UUID

from handsel.foundation.core.money import display
from handsel.foundation.db.uow import Tx
from handsel.money.escrow.chargebacks.deciding import fund_left
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import alerts
from handsel.money.protection import policy
from handsel.money.protection.queries import Claim
from handsel.money.protection.schemas import ClaimLine

_ALERT = "protection_fund_low"
_RATIOS = """
INSERT INTO money.fund_ratios AS f (unit, balance, exposure, provisional, at)
SELECT u.unit, u.balance, coalesce(c.exposure, 0), coalesce(c.provisional, 0), $2
  FROM (SELECT a.unit, money.folded_balance(a.id) AS balance FROM money.accounts a
         WHERE a.kind = 'protection_fund' AND a.owner_id = $1) AS u
  LEFT JOIN (SELECT unit, sum(amount)::bigint AS exposure, sum(credited)::bigint AS provisional
               FROM money.claims WHERE state = 'investigating' GROUP BY unit) AS c
    ON c.unit = u.unit
 WHERE u.balance <> 0 OR c.unit IS NOT NULL OR EXISTS (
    SELECT FROM money.fund_ratios old WHERE old.unit = u.unit)
ON CONFLICT (unit) DO UPDATE SET balance = excluded.balance, exposure = excluded.exposure,
    provisional = excluded.provisional, at = excluded.at
RETURNING unit, balance, exposure
"""


async def lock(tx: Tx, unit: str) -> None:
    """One at a time (chargebacks too): two must not both take the last of the fund."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 74))", unit)


async def state(tx: Tx, unit: str) -> tuple[int, int]:
    """(what is in the fund, what all open claims ask), in minor units."""
    exposure: int = await tx.fetchval(
        "SELECT coalesce(sum(amount), 0)::bigint FROM money.claims"
        " WHERE state = 'investigating' AND unit = $1",
        unit,
    )
    return await fund_left(tx, unit), exposure


def lend(tx: Tx, claim_id: UUID, member_id: UUID, amount_minor: int, unit: str) -> list[ClaimLine]:
    """A provisional credit; nothing for nothing."""
    if not amount_minor:
        return []
    wallet, house = _wallet(member_id, unit), Account("protection_fund", HOUSE, unit)
    ledger.open_accounts(tx, [wallet])
    ledger.post(tx, [Transfer(house, wallet, amount_minor, "provisional_credit")], claim_id)
    return [ClaimLine(code="provisional_credit", amount_minor=amount_minor)]


async def settle(tx: Tx, claim: Claim, award_minor: int) -> tuple[list[ClaimLine], int]:
    """Pay what the award is above the credit, or take back what it is below; (lines, owed)."""
    await lock(tx, claim.unit)
    difference = award_minor - claim.credited
    if difference > 0:
        return await _pay(tx, claim, difference), 0
    if difference < 0:
        return await _take_back(tx, claim, -difference)
    return [], 0


async def recover(tx: Tx, claim: Claim, member_id: UUID, most_minor: int) -> int:
    """From somebody's wallet back into the fund, as far as it reaches; how much."""
    amount = min(most_minor, await _in_wallet(tx, member_id, claim.unit))
    if amount:
        wallet = _wallet(member_id, claim.unit)
        house = Account("protection_fund", HOUSE, claim.unit)
        ledger.post(tx, [Transfer(wallet, house, amount, "claim_recovered")], claim.id)
    return amount


async def refresh(tx: Tx) -> int:
    """Measure the fund in every currency that it is asked in; how many. Alerts where it is low."""
    rows = await tx.fetch(_RATIOS, HOUSE, tx.now)
    least = policy.policy().fund.alert_below_bps
    for row in rows:
        unit, ratio = row["unit"], policy.ratio_bps(row["balance"], row["exposure"])
        if ratio is None or ratio >= least:
            await alerts.close(tx, _ALERT, unit)
            continue
        text = (
            f"The protection fund has {display(row['balance'], unit)} for open claims of"
            f" {display(row['exposure'], unit)}."
        )
        if not await _is_open(tx, unit):
            alerts.raise_alert(tx, _ALERT, unit, text)
    return len(rows)


async def _pay(tx: Tx, claim: Claim, amount: int) -> list[ClaimLine]:
    """What was promised is paid; what the fund lacks is the house's loss."""
    from_fund = max(min(amount, await fund_left(tx, claim.unit)), 0)
    wallet = _wallet(claim.member_id, claim.unit)
    ledger.open_accounts(tx, [wallet])
    parts = (("protection_fund", from_fund), ("losses", amount - from_fund))
    ledger.post(
        tx,
        [
            Transfer(Account(kind, HOUSE, claim.unit), wallet, part, "claim_paid")
            for kind, part in parts
            if part
        ],
        claim.id,
    )
    return [ClaimLine(code="claim_paid", amount_minor=amount)]


async def _take_back(tx: Tx, claim: Claim, amount: int) -> tuple[list[ClaimLine], int]:
    """From the wallet, and what it lacks as a debt: the fund is whole again either way."""
    unit, house = claim.unit, Account("protection_fund", HOUSE, claim.unit)
    wallet, debt = _wallet(claim.member_id, unit), Account("receivable", claim.member_id, unit)
    there = min(amount, await _in_wallet(tx, claim.member_id, unit))
    ledger.open_accounts(tx, [debt])
    ledger.post(
        tx,
        [
            Transfer(source, house, part, "provisional_reversed")
            for source, part in ((wallet, there), (debt, amount - there))
            if part
        ],
        claim.id,
    )
    lines = [
        ClaimLine(code="provisional_reversed", amount_minor=-there),
        ClaimLine(code="owed", amount_minor=amount - there),
    ]
    return [line for line in lines if line.amount_minor], amount - there


async def _in_wallet(tx: Tx, member_id: UUID, unit: str) -> int:
    """What is in a wallet, its row locked until the transaction ends."""
    rows = await tx.fetch("SELECT kind, balance FROM money.lock_bearers($1, $2)", [member_id], unit)
    return sum(row["balance"] for row in rows if row["kind"] == "wallet")


async def _is_open(tx: Tx, unit: str) -> bool:
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.alerts WHERE kind = $1 AND subject = $2"
        " AND closed_at IS NULL)",
        _ALERT,
        unit,
    )
    return found


def _wallet(member_id: UUID, unit: str) -> Account:
    return Account("wallet", member_id, unit)
