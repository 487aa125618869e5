"""What a sale is made of besides its price, and what stays of it when only a part is kept.

A line belongs to whoever pays it: the seller pays fee and tax, the giver of a coupon the coupon, a
bond is its depositor's. Lines are frozen at sale and only ever shared.

When a part of the price goes back, the kept part of each line is its exact share **rounded down**,
and the rest of it is returned: a unit that cannot be divided goes back to whoever pays the line.
That is the rounding unit's home, for every line and every split. It is not shared by largest
remainder, which would let a line shrink while the kept part grows (the Alabama paradox, with three
lines or more) and may keep more in lines than was kept of the price.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from handsel.foundation.core.schema import View

LineName = Literal["fee", "fund_share", "fee_tax", "coupon", "bond"]
PaidBy = Literal["seller", "buyer", "house"]


class Line(View):
    """An amount of a sale, in minor units, and who pays it."""

    name: LineName
    paid_by: PaidBy
    amount_minor: int


class Shared(NamedTuple):
    """The same lines twice, in the order given; kept and returned add up to each line."""

    kept: tuple[Line, ...]
    returned: tuple[Line, ...]


def share(lines: Sequence[Line], kept_minor: int, whole_minor: int) -> Shared:
    """Share each line as the price is shared: ``kept_minor`` of ``whole_minor`` stays.

    Exact for any split, the same whatever the order of the lines and in however many steps the
    kept part came down, and no line grows when less is kept. Raises ``ValueError`` unless
    0 <= kept <= whole, 0 < whole and no line is negative.
    """
    if not 0 <= kept_minor <= whole_minor or whole_minor == 0:
        raise ValueError("a part is kept of a whole above zero")
    if any(line.amount_minor < 0 for line in lines):
        raise ValueError("a line is nothing less than zero")
    kept = [line.amount_minor * kept_minor // whole_minor for line in lines]
    return Shared(
        tuple(_with(line, part) for line, part in zip(lines, kept, strict=True)),
        tuple(
            _with(line, line.amount_minor - part) for line, part in zip(lines, kept, strict=True)
        ),
    )


def _with(line: Line, amount_minor: int) -> Line:
    return Line(name=line.name, paid_by=line.paid_by, amount_minor=amount_minor)
