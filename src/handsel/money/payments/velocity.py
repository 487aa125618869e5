"""How fast money may pass through a wallet: top-up, transfer, withdrawal. The rules are pure.

Card money cannot be withdrawn and earned money waits its hold period, whatever stands here; these
limits slow down what could still be drained. They are judged under a lock of the member's
(``money.lock_flows``), so that of twenty requests at once each sees those before it.
"""

import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import BPS, display
from handsel.foundation.db.uow import Tx
from handsel.money.payments.errors import ClientReferenceUsed, VelocityLimit
from handsel.people.trust import service as trust
from handsel.people.trust.table import PolicyTable, Tier

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Bps = Annotated[int, msgspec.Meta(ge=1, le=BPS)]
DAY, _MONTH = timedelta(hours=24), timedelta(days=30)


class TierLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a tier, in minor units of the reference currency."""

    per_24h_minor: _Count
    per_30d_minor: _Count


class Tries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often in 24 hours, and with how many cards."""

    top_ups_24h: _Count
    cards_24h: _Count
    withdrawals_24h: _Count


class MethodRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for a payout method while it is new."""

    cooling_off: timedelta
    first_payout_minor: _Count


class FirstSale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long after a first deal, and which part may leave meanwhile."""

    within: timedelta
    most_bps: _Bps


class PayoutPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``payouts.toml``."""

    least_minor: _Count
    least_minor_of: dict[str, _Count]
    tiers: dict[str, TierLimits]
    tries: Tries
    method: MethodRule
    first_sale: FirstSale

    def least(self, currency: str, table: PolicyTable) -> int:
        """The least payout of a currency, in its minor units."""
        named = self.least_minor_of.get(currency)
        return named or max(table.in_currency(self.least_minor, currency), 1)

    def limits(self, tier: Tier) -> TierLimits:
        """Of a tier; TX, which may withdraw nothing, may still be judged as T0."""
        return self.tiers[max(tier, Tier.T0).name]


class Flow(NamedTuple):
    """A top-up or a withdrawal of the last thirty days; ``minor`` in the reference currency."""

    at: datetime
    minor: int


class Slow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why not now, and from when on it may be (absent: never as much at once). Limits and what is
    left of them are in minor units of the currency that was asked for."""

    code: str
    text: str
    limit_minor: int | None = None
    left_minor: int | None = None
    next_at: datetime | None = None


class Asked(NamedTuple):
    """An amount that wants to pass: in its currency, and in the reference currency."""

    minor: int
    currency: str
    reference_minor: int


@cache
def policy() -> PayoutPolicy:
    """The payout policy of this release."""
    text = Path(__file__).with_name("payouts.toml").read_text()
    return msgspec.convert(tomllib.loads(text), PayoutPolicy)


def over(
    table: PolicyTable, limits: TierLimits, asked: Asked, flows: Sequence[Flow], now: datetime
) -> list[Slow]:
    """The rolling sums that an amount would pass. ``flows`` in the order of time."""
    found = []
    for code, limit, window in (
        ("over_24h_limit", limits.per_24h_minor, DAY),
        ("over_30d_limit", limits.per_30d_minor, _MONTH),
    ):
        inside = [flow for flow in flows if flow.at > now - window]
        used = sum(flow.minor for flow in inside)
        if used + asked.reference_minor <= limit:
            continue
        most = table.in_currency(limit, asked.currency)
        left = table.in_currency(max(limit - used, 0), asked.currency)
        name = "24 hours" if window == DAY else "30 days"
        text = (
            f"At most {display(most, asked.currency)} in {name};"
            f" {display(left, asked.currency)} are left."
        )
        free_at = _free_at(inside, used + asked.reference_minor - limit, window)
        found.append(Slow(code=code, text=text, limit_minor=most, left_minor=left, next_at=free_at))
    return found


def too_often(
    code: str, text: str, most: int, times: Sequence[datetime], now: datetime
) -> list[Slow]:
    """Whether one more would be more than ``most`` in 24 hours. ``times`` in order."""
    inside = [at for at in times if at > now - DAY]
    if len(inside) < most:
        return []
    return [Slow(code=code, text=text, next_at=inside[len(inside) - most] + DAY)]


def after_first_sale(
    rule: FirstSale, asked: Asked, free_minor: int, out_minor: int, first_at: datetime | None,
    now: datetime,
) -> list[Slow]:  # fmt: skip
    """In the first time after a first deal only a part may leave: of what is free now and what has
    left in the last 24 hours, in minor units of the currency."""
    if first_at is None or now >= first_at + rule.within:
        return []
    most = (free_minor + out_minor) * rule.most_bps // BPS
    if out_minor + asked.minor <= most:
        return []
    left = max(most - out_minor, 0)
    text = (
        "Your first deal was settled a short time ago: until then,"
        f" {display(left, asked.currency)} may leave."
    )
    return [
        Slow(
            code="first_sale",
            text=text,
            limit_minor=most,
            left_minor=left,
            next_at=first_at + rule.within,
        )
    ]


def to_new_method(
    table: PolicyTable, rule: MethodRule, asked: Asked, on_its_way: int, has_arrived: bool
) -> list[Slow]:
    """Until a payout has arrived at a method only so much may be on its way there."""
    if has_arrived or on_its_way + asked.reference_minor <= rule.first_payout_minor:
        return []
    most = table.in_currency(rule.first_payout_minor, asked.currency)
    left = table.in_currency(max(rule.first_payout_minor - on_its_way, 0), asked.currency)
    text = (
        f"Nothing has arrived at this bank account yet: until the first payout has, at most"
        f" {display(most, asked.currency)} may be on its way there."
    )
    return [Slow(code="new_method", text=text, limit_minor=most, left_minor=left)]


def _free_at(inside: Sequence[Flow], excess: int, window: timedelta) -> datetime | None:
    """When so many of the oldest have left the window that ``excess`` is free; None: never."""
    freed = 0
    for flow in inside:
        freed += flow.minor
        if freed >= excess:
            return flow.at + window
    return None


class Seen(NamedTuple):
    """What a member moved by the provider in thirty days, oldest first, as the database has it."""

    top_ups: list[dict[str, Any]]
    withdrawals: list[dict[str, Any]]

    def flows(self, rows: Sequence[dict[str, Any]], table: PolicyTable) -> list[Flow]:
        """In the reference currency. One of a currency without a rate counts nothing: it got past
        the gate before the rate was taken away."""
        rates = ((row["at"], table.in_reference(row["amount"], row["unit"])) for row in rows)
        return [Flow(at, minor or 0) for at, minor in rates]


async def lock(tx: Tx, member_id: UUID) -> Seen:
    """What the limits look at, and nobody else of this member until the transaction ends."""
    await tx.execute("SELECT money.lock_flows($1)", member_id)
    found = await tx.fetchval("SELECT money.flows($1)", member_id)
    for rows in found.values():
        for row in rows:
            row["at"] = datetime.fromisoformat(row["at"])
    return Seen(**found)


async def refuse_used(
    tx: Tx, prefix: Literal["top", "wdr"], member_id: UUID, client_reference: UUID | None
) -> None:
    """Raise ``ClientReferenceUsed`` with the first object that has it. After ``lock``: nobody else
    of this member asks at the same time."""
    if client_reference is None:
        return
    table = {"top": "money.top_ups", "wdr": "money.withdrawals"}[prefix]
    first = await tx.fetchval(
        f"SELECT id FROM {table} WHERE member_id = $1 AND client_reference = $2",
        member_id,
        client_reference,
    )
    if first is not None:
        raise ClientReferenceUsed(first=encode(prefix, first))


def require(slow: list[Slow]) -> None:
    """Raise ``VelocityLimit`` (403, with reasons and times) where there is a reason to wait."""
    if slow:
        text = " ".join(reason.text for reason in slow)
        raise VelocityLimit(text, reasons=msgspec.to_builtins(slow))


async def check_top_up(
    tx: Tx, member_id: UUID, amount_minor: int, currency: str, token: str, seen: Seen
) -> None:
    """Raise ``VelocityLimit`` where a top-up by this card has to wait, ``CurrencyNotSupported``."""
    table, rules, now = trust.current_policy(), policy(), tx.now
    asked = Asked(amount_minor, currency, trust.in_reference(amount_minor, currency))
    tier = (await trust.payouts_of(tx, member_id)).tier
    counted = [row for row in seen.top_ups if row["state"] != "failed"]
    cards: dict[str, datetime] = {row["token"]: row["at"] for row in seen.top_ups}
    cards.pop(token, None)
    tries = rules.tries
    require(
        [
            *over(table, rules.limits(tier), asked, seen.flows(counted, table), now),
            *too_often(
                "too_many_top_ups",
                f"At most {tries.top_ups_24h} top-ups in 24 hours.",
                tries.top_ups_24h,
                [row["at"] for row in seen.top_ups],
                now,
            ),
            *too_often(
                "too_many_cards",
                f"At most {tries.cards_24h} different cards in 24 hours.",
                tries.cards_24h,
                sorted(cards.values()),
                now,
            ),
        ]
    )
