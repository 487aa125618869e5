"""Who lives in the simulated town: hidden types, their rates, and the members drawn from them.

ASSUMPTIONS, not measurements. The rates below were set by hand to be plausible (a few per cent
of deals go wrong, most of them through few members) and are not fitted to any real platform.
Whatever a model scores here says how well it reads this simulator, never how well it would
read people.

Each member has a type and two latent traits (money, conduct), standard normal; a rate r of the
type becomes sigmoid(logit r + 0.7 trait). Farmers, exit scammers and stolen accounts behave
like honest members until their turn, 60 to 400 days after joining, then deal in a burst with
the second set of rates for thirty days, then are gone. Farmers and rings deal mostly inside a
clique of four, for small sums, with five stars.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.facts import Ints
from handsel_ml.tallies import DAY_US

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NEVER_US = np.int64(2**62)
TRAIT_LOADING = 0.7
CLIQUE = 4
BURST_DAYS = 30


class Archetype(StrEnum):
    """The hidden type of a member; a model never sees it."""

    HONEST = "honest"
    CARELESS = "careless"
    TROUBLEMAKER = "troublemaker"
    DEFAULTER = "defaulter"
    FARMER = "farmer"
    RING = "ring"
    EXIT_SCAMMER = "exit_scammer"
    STOLEN_ACCOUNT = "stolen_account"


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Chances per deal. `money` trait moves the first four, `conduct` the others."""

    unfunded: float
    chargeback: float
    not_delivered: float
    top_up_fails: float
    cancels: float
    no_show: float
    dispute: float
    report: float
    removed: float
    late: float
    slow: float
    unanswered: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One type: its share of members, its rates before and (if it turns) after the turn."""

    share: float
    rates: Rates
    after: Rates | None = None
    inside: float = 0.0
    verified: float = 0.6


MONEY_RATES = ("unfunded", "chargeback", "not_delivered", "top_up_fails")


def _rates(text: str) -> Rates:
    """Rates in per mille, in the order of the fields."""
    values = [float(number) / 1000 for number in text.split()]
    return Rates(**dict(zip(Rates.__struct_fields__, values, strict=True)))


#                     unf  cb  nd top can nos dis rep rem late slow unans
_HONEST = _rates("      4   2   4  20  20   6   8   1   1  120  150   50")
_CARELESS = _rates("   20   6  15  60  70  30  30   4   2  350  400  200")
_TROUBLE = _rates("     8   4  10  30 150 100 100  40  20  300  300  150")
_DEFAULT = _rates("    60  70  30 200  50  15  25   5   2  200  200  100")
_RING = _rates("       15  60 100  60  40  20 120  30  10  200  200  100")
_FARMED = _rates("     40 150 350 100  50  50 200  50  20  300  300  100")
_EXIT = _rates("       10  20 700  50  20  50 150  50  10  300  500  100")
_STOLEN = _rates("    100 600  50 500  50  20  60  20  10  200  300  300")

PROFILES: dict[Archetype, Profile] = {
    Archetype.HONEST: Profile(share=0.74, rates=_HONEST),
    Archetype.CARELESS: Profile(share=0.12, rates=_CARELESS, verified=0.5),
    Archetype.TROUBLEMAKER: Profile(share=0.03, rates=_TROUBLE, verified=0.45),
    Archetype.DEFAULTER: Profile(share=0.04, rates=_DEFAULT, verified=0.35),
    Archetype.FARMER: Profile(share=0.02, rates=_HONEST, after=_FARMED, inside=0.8, verified=0.25),
    Archetype.RING: Profile(share=0.02, rates=_RING, inside=0.75, verified=0.25),
    Archetype.EXIT_SCAMMER: Profile(share=0.015, rates=_HONEST, after=_EXIT, verified=0.4),
    Archetype.STOLEN_ACCOUNT: Profile(share=0.015, rates=_HONEST, after=_STOLEN),
}
ARCHETYPES: tuple[Archetype, ...] = tuple(Archetype)


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """Members by column, shape (members,); times in microseconds."""

    archetype: Ints
    joined: Ints
    turns: Ints
    clique: Ints
    activity: Floats
    seller_lean: Floats
    money: Floats
    conduct: Floats
    verified: Ints

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.archetype)

    def rate(self, name: str, member: Ints, turned: Bools) -> Floats:
        """Chance `name` for each member of a list, moved by their trait."""
        before = np.array([getattr(PROFILES[a].rates, name) for a in ARCHETYPES])
        after = np.array(
            [getattr(PROFILES[a].after or PROFILES[a].rates, name) for a in ARCHETYPES]
        )
        kind = self.archetype[member]
        base = np.where(turned, after[kind], before[kind])
        trait = (self.money if name in MONEY_RATES else self.conduct)[member]
        return 1.0 / (1.0 + (1.0 - base) / base * np.exp(-TRAIT_LOADING * trait))


def draw_population(rng: np.random.Generator, members: int, start: int, end: int) -> Population:
    """Draw members who join between `start` and four fifths of the way to `end`."""
    shares = np.array([PROFILES[a].share for a in ARCHETYPES])
    kind = rng.choice(len(ARCHETYPES), size=members, p=shares / shares.sum())
    joined = start + (rng.random(members) * 0.8 * (end - start)).astype(np.int64)
    turning = np.array([PROFILES[a].after is not None for a in ARCHETYPES])[kind]
    waits = (rng.uniform(60, 400, members) * DAY_US).astype(np.int64)
    likely = np.array([PROFILES[a].verified for a in ARCHETYPES])[kind]
    return Population(
        archetype=kind.astype(np.int64),
        joined=joined,
        turns=np.where(turning, joined + waits, NEVER_US),
        clique=_cliques(kind),
        activity=rng.lognormal(0.0, 0.7, members),
        seller_lean=rng.beta(1.2, 1.2, members),
        money=rng.standard_normal(members),
        conduct=rng.standard_normal(members),
        verified=1 + rng.binomial(4, likely),
    )


def _cliques(kind: NDArray[np.int64]) -> Ints:
    """Number the cliques: members of a clique type in groups of four, -1 for everybody else."""
    clique = np.full(len(kind), -1, dtype=np.int64)
    base = 0
    for code, archetype in enumerate(ARCHETYPES):
        if PROFILES[archetype].inside > 0:
            rows = np.flatnonzero(kind == code)
            clique[rows] = base + np.arange(len(rows)) // CLIQUE
            base += len(rows)
    return clique
