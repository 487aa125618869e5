"""Splits, rulings and fault: pure arithmetic. What is shared is exactly what waits."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from handsel.deals.disputes.errors import SplitDoesNotSum
from handsel.foundation.core.money import BPS
from handsel.foundation.core.schema import Input

#: Why somebody complains, and why somebody ruled (research/mission.md §5.5).
ReasonCode = Literal[
    "not_delivered",
    "no_show",
    "late",
    "quality",
    "not_as_described",
    "scope_changed",
    "unsafe",
    "unauthorised_payment",
    "duplicate",
    "payment_pressure_offplatform",
    "other",
]
FaultOf = Literal["claimant", "respondent", "none", "shared"]
Part = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000_000)]
Bps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class BondShare(Input):
    """How a bond that is held for the order is shared: back to its depositor, or to the other."""

    bond_id: Annotated[str, msgspec.Meta(max_length=64)]
    back_minor: Part
    other_minor: Part


class Split(Input):
    """Who gets what of the money that waits, in minor units: gross, as the order was priced. The
    fee follows what the provider keeps."""

    customer_minor: Part
    provider_minor: Part
    bonds: Annotated[list[BondShare], msgspec.Meta(max_length=10)] = msgspec.field(
        default_factory=list
    )

    def among(self, bonds: Mapping[str, int]) -> "Split":
        """The same of these bonds alone: a bank may have taken others back by now."""
        kept = [share for share in self.bonds if share.bond_id in bonds]
        return msgspec.structs.replace(self, bonds=kept)


class Ruling(Input):
    """What staff rule. ``claimant_fault_bps`` is the claimant's part of a ``shared`` fault, in
    ten-thousandths; the respondent has the rest."""

    split: Split
    reason_code: ReasonCode
    fault: FaultOf
    claimant_fault_bps: Bps | None = None

    def __post_init__(self) -> None:
        """A share goes with a shared fault alone."""
        if (self.fault == "shared") != (self.claimant_fault_bps is not None):
            raise ValueError("claimant_fault_bps goes with a shared fault, and only with it")

    @property
    def shares(self) -> "Fault":
        """The fault of both."""
        match self.fault:
            case "claimant":
                return Fault(claimant_bps=BPS, respondent_bps=0)
            case "respondent":
                return Fault(claimant_bps=0, respondent_bps=BPS)
            case "none":
                return NOBODY_AT_FAULT
        assert self.claimant_fault_bps is not None
        return Fault(
            claimant_bps=self.claimant_fault_bps, respondent_bps=BPS - self.claimant_fault_bps
        )


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Each one's part of the fault, in ten-thousandths; both are zero where nobody is to blame."""

    claimant_bps: int
    respondent_bps: int


NOBODY_AT_FAULT = Fault(claimant_bps=0, respondent_bps=0)
RESPONDENT_AT_FAULT = Fault(claimant_bps=0, respondent_bps=BPS)


def check_sum(split: Split, held_minor: int, bonds: Mapping[str, int]) -> None:
    """The parts are what waits; each bond is shared once and whole. Raises ``SplitDoesNotSum``."""
    if split.customer_minor + split.provider_minor != held_minor:
        raise SplitDoesNotSum(
            f"{split.customer_minor} and {split.provider_minor} are not {held_minor}",
            held_minor=held_minor,
        )
    shared = {share.bond_id: share.back_minor + share.other_minor for share in split.bonds}
    if len(shared) != len(split.bonds) or shared != dict(bonds):
        raise SplitDoesNotSum("every bond is shared once, and whole", bonds=dict(bonds))


def all_to(role: str, held_minor: int, bonds: Mapping[str, int]) -> Split:
    """All of the money to one side; the bonds go back to whoever gave them."""
    to_customer = held_minor if role == "customer" else 0
    return Split(
        customer_minor=to_customer,
        provider_minor=held_minor - to_customer,
        bonds=[BondShare(bond_id=b, back_minor=n, other_minor=0) for b, n in bonds.items()],
    )
