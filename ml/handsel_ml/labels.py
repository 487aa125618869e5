"""Labels out of facts: which accepted deals went wrong, for whom, and from when one may know.

One row per accepted deal and party (research/credit.md §4.2), so that somebody who deals much has
many rows and not a worse label. A deal whose end says nothing of a party (the other one cancelled,
stayed away or never paid) is indeterminate, -1: counted, never trained on. A label may be used
`MATURITY_DAYS` after the deal was due: by then a chargeback, a debt or a dispute has come or will
not. Only what was upheld is a label; an open dispute or a raw report is not.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.contract import ROLES, SCORE_KINDS, ScoreKind
from handsel_ml.contract import FactKind as K
from handsel_ml.facts import KIND_CODE, NOT_RETRACTED, FactTable, Ints
from handsel_ml.tallies import DAY_US

Bools = NDArray[np.bool_]

MATURITY_DAYS: dict[ScoreKind, int] = {"financial": 120, "social": 30}
#: An accepted order that is not paid is told after so long.
UNFUNDED_AFTER_DAYS = 3

_BUYER, _SELLER = ROLES.index("buyer"), ROLES.index("seller")
_BEGINS = (K.ORDER_FUNDED, K.ORDER_UNFUNDED)
_ENDS = (
    K.ORDER_UNFUNDED,
    K.ORDER_SETTLED,
    K.ORDER_REFUNDED,
    K.ORDER_CANCELLED_BY_SELF,
    K.ORDER_CANCELLED_BY_OTHER,
    K.NO_SHOW,
    K.PAY_AFTER_DEFAULT,
    K.ITEM_UNRETURNED,
)
#: What makes a deal bad for the party that the fact is about; a refund is bad for its seller alone.
_BAD: dict[ScoreKind, tuple[K, ...]] = {
    "financial": (K.ORDER_UNFUNDED, K.CHARGEBACK_LOST, K.PAY_AFTER_DEFAULT, K.ITEM_UNRETURNED),
    "social": (K.ORDER_CANCELLED_BY_SELF, K.NO_SHOW, K.DISPUTE_LOST, K.REPORT_UPHELD),
}
#: Ends after which nobody can say how the party would have done, unless it was itself bad.
_SPARED: dict[ScoreKind, tuple[K, ...]] = {
    "financial": (K.ORDER_CANCELLED_BY_SELF, K.ORDER_CANCELLED_BY_OTHER, K.NO_SHOW),
    "social": (K.ORDER_CANCELLED_BY_OTHER, K.ORDER_UNFUNDED),
}


class Exposures(msgspec.Struct, frozen=True, kw_only=True):
    """One row per accepted deal and party; `role` 0 buyer, 1 seller; labels 0, 1 or -1; `opened`
    and `due` in microseconds."""

    member: Ints
    role: Ints
    opened: Ints
    due: Ints
    labels: dict[ScoreKind, Ints]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.member)

    def available(self, kind: ScoreKind) -> Ints:
        """When each label may be used for training (microseconds)."""
        return self.due + MATURITY_DAYS[kind] * DAY_US


def exposures_known(table: FactTable, trained_us: int, judged_us: int) -> Exposures:
    """Deals opened before a training as they were labelled then, later ones as at the judging.

    A chargeback that a bank reports after the training would otherwise mark a deal that the
    training saw as good: what nobody knew cannot be learnt.
    """
    early = exposures_of(table.known_before(trained_us))
    late = exposures_of(table.known_before(judged_us))
    before, after = early.opened < trained_us, late.opened >= trained_us
    joined = {
        name: np.concatenate([getattr(early, name)[before], getattr(late, name)[after]])
        for name in ("member", "role", "opened", "due")
    }
    return Exposures(
        **joined,
        labels={
            kind: np.concatenate([early.labels[kind][before], late.labels[kind][after]])
            for kind in SCORE_KINDS
        },
    )


def exposures_of(table: FactTable) -> Exposures:
    """The exposures that some facts tell of, in order of (order, member).

    A deal was due when it was delivered less the lateness, or else when it ended. One that has not
    ended yet is indeterminate and due at the last moment of the table, so it never matures here.
    Facts that are retracted in the table (`known_before` a moment: by then) tell nothing.
    """
    horizon = int(table.known.max(initial=0))
    table = table.take(table.retracted == NOT_RETRACTED)
    begins = np.flatnonzero(_is(table, _BEGINS) & (table.order >= 0))
    first = begins[np.lexsort((table.known[begins], table.member[begins], table.order[begins]))]
    fresh = np.ones(len(first), dtype=bool)
    fresh[1:] = (np.diff(table.order[first]) != 0) | (np.diff(table.member[first]) != 0)
    row = first[fresh]
    keys = _key(table, row)
    opened = table.happened[row] - np.where(
        table.kind[row] == KIND_CODE[K.ORDER_UNFUNDED], UNFUNDED_AFTER_DAYS * DAY_US, 0
    )
    ended, end = _moment(table, keys, _ENDS, table.happened)
    late, due = _moment(table, keys, (K.DELIVERED_LATE,), table.happened - table.value * 1_000_000)
    due = np.where(late, due, np.where(ended, end, horizon))
    role = table.role[row]
    return Exposures(
        member=table.member[row],
        role=role,
        opened=opened,
        due=np.maximum(due, opened),
        labels={
            "financial": _financial(table, keys, role, ended),
            "social": _social(table, keys, role, ended),
        },
    )


def _financial(table: FactTable, keys: Ints, role: Ints, ended: Bools) -> Ints:
    bad = _has(table, keys, _BAD["financial"])
    bad |= _has(table, keys, (K.ORDER_REFUNDED,)) & (role == _SELLER)
    spared = _has(table, keys, _SPARED["financial"]) | ~ended
    return np.where(bad, 1, np.where(spared, -1, 0)).astype(np.int64)


def _social(table: FactTable, keys: Ints, role: Ints, ended: Bools) -> Ints:
    bad = _has(table, keys, _BAD["social"])
    spared = _has(table, keys, _SPARED["social"]) | ~ended
    spared |= _has(table, keys, (K.ORDER_REFUNDED,)) & (role == _BUYER)
    return np.where(bad, 1, np.where(spared, -1, 0)).astype(np.int64)


def _is(table: FactTable, kinds: tuple[K, ...]) -> Bools:
    wanted = np.zeros(len(KIND_CODE), dtype=bool)
    wanted[[KIND_CODE[kind] for kind in kinds]] = True
    found: Bools = wanted[table.kind]
    return found


def _key(table: FactTable, rows: Ints) -> Ints:
    """One number for (order, member)."""
    return table.order[rows] * len(table.names) + table.member[rows]


def _has(table: FactTable, keys: Ints, kinds: tuple[K, ...]) -> Bools:
    """Whether a deal left such a fact with the party."""
    rows = np.flatnonzero(_is(table, kinds) & (table.order >= 0))
    return np.isin(keys, _key(table, rows))


def _moment(
    table: FactTable, keys: Ints, kinds: tuple[K, ...], moments: Ints
) -> tuple[Bools, Ints]:
    """Whether there is such a fact of the deal on either side's row, and the first one's moment.

    Delivery is told of the seller alone, but the deal was due for both."""
    rows = np.flatnonzero(_is(table, kinds) & (table.order >= 0))
    width = len(table.names)
    orders = table.order[rows]
    sort = np.lexsort((moments[rows], orders))
    orders, at = orders[sort], moments[rows][sort]
    place = np.searchsorted(orders, keys // width)
    inside = np.minimum(place, max(len(orders) - 1, 0))
    if len(orders) == 0:
        return np.zeros(len(keys), dtype=bool), np.zeros(len(keys), dtype=np.int64)
    found = (place < len(orders)) & (orders[inside] == keys // width)
    return found, at[inside]
