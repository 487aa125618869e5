"""Who lives in the simulated town: hidden types, their rates, and the members drawn from them.

ASSUMPTIONS, not measurements. The rates below were set by hand to be plausible (a few per cent
of deals go wrong, most of them through few members) and are not fitted to any real platform.
Whatever a model scores here says how well it reads this simulator, never how well it would
read people.

- Each member has a type and two latent traits (money, conduct), standard normal; a rate r of the
  type becomes sigmoid(logit r + 0.7 trait + shift of the market).
- Farmers, the fronts of Sybil farms, exit scammers, stolen accounts and pay-after defaulters
  behave like honest members until their turn, 60 to 400 days after joining, then deal in a burst
  with the second set of rates for thirty days, then are gone.
- Farmers and rings deal mostly inside a clique of four, for small sums, with five stars, and
  nothing ever goes wrong there. A Sybil farm is the same with twenty accounts, hardly any of them
  verified; only its first account, the front, ever turns on strangers.
- Of deals outside cliques 12 in 100 are paid after the work, where the buyer has four checks and
  60 days (pay-after defaulters 35, and all of them after their turn), and 7 in 100 are rentals.
  Payment is due 7 days after approval, a default comes 14 days later; who defaults has not paid 30
  days after the due date either, and nothing is written off before the town ends.
- A buyer needs a top-up for half of the deals, and for each that is charged back; a chargeback is
  heard of 10 to 60 days late; six of ten write a review, within a week, weighed as the house weighs
  it (stake, novelty, freshness, checks of the author) and shown when both have written or after
  two weeks; every seller and half of the buyers answer one message a deal.
- What the house would refuse is not drawn: who deals has an address and a document checked, new
  members pay no more than the first tier lets them, nobody more than a category allows. What is
  approved is settled after the hold period of the seller's tier; a disputed deal ends by a ruling,
  and nobody reviews what was not delivered. Nobody rises above the second tier here: its holds are
  those of good sellers too, and who pays after the work may do so without the third. Nobody is
  refused because of a score or a rolling limit either.
- Whoever took a lost chargeback's money owes the house nothing after it: sellers here can prove
  their deliveries, so the protection fund bears it, and no balance falls below zero.
- Members live in one of three towns, of different size and base rates, and deal across them alike.
- Two protected attributes are drawn from a stream of their own and move nothing at all, so no
  other draw depends on them. `sex` is independent of everything; `age_band` leans on activity
  (the young deal a little more), so that a fairness report has something to find.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.facts import Ints
from handsel_ml.judged import Grouping
from handsel_ml.tallies import DAY_US

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NEVER_US = np.int64(2**62)
TRAIT_LOADING = 0.7
BURST_DAYS = 30
#: How many times as many people join at the end as at the start, and when the last one joins.
GROWTH = 3.0
LAST_JOIN = 0.98
#: An address to write to and a document: without them nobody pays or is paid here.
LEAST_CHECKS = 2
MARKETS = ("harbour", "hill", "valley")
MARKET_SHARES = (0.60, 0.30, 0.10)
#: Log-odds of every rate, by market.
MARKET_SHIFTS = (0.0, 0.25, -0.25)
SEXES = ("female", "male")
AGE_BANDS = ("under_25", "25_to_44", "45_and_over")
_PROTECTED_STREAM = 0x9E3779B9


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
    SYBIL_FARM = "sybil_farm"
    PAY_AFTER_DEFAULTER = "pay_after_defaulter"


#: Who buys in the burst after the turn; the others sell.
BUYING = (Archetype.STOLEN_ACCOUNT, Archetype.PAY_AFTER_DEFAULTER)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Chances per deal. The `money` trait moves the first seven, `conduct` the others."""

    unfunded: float
    chargeback: float
    not_delivered: float
    top_up_fails: float
    pays_late: float
    defaults: float
    unreturned: float
    cancels: float
    no_show: float
    dispute: float
    report: float
    removed: float
    late: float
    slow: float
    unanswered: float


MONEY_RATES = Rates.__struct_fields__[:7]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One type: its share of members, its rates before and (if it turns) after the turn.

    `inside`: how much it deals in its clique of `clique`, of which all or only the first turn;
    `verified`: the chance of each further check; `pays_after`: of a deal that is paid afterwards.
    """

    share: float
    rates: Rates
    after: Rates | None = None
    inside: float = 0.0
    clique: int = 4
    all_turn: bool = True
    verified: float = 0.6
    pays_after: float = 0.12


def _rates(text: str) -> Rates:
    """Rates in per mille, in the order of the fields."""
    values = [float(number) / 1000 for number in text.split()]
    return Rates(**dict(zip(Rates.__struct_fields__, values, strict=True)))


#                     unf  cb  nd top  ptl def unr can nos dis rep rem late slow unans
_HONEST = _rates("      4   2   4  20   50   6   2  20   6   8   1   1  120  150   50")
_CARELESS = _rates("   20   6  15  60  250  30  10  70  30  30   4   2  350  400  200")
_TROUBLE = _rates("     8   4  10  30  150  20  15 150 100 100  40  20  300  300  150")
_DEFAULT = _rates("    60  70  30 200  350 250  60  50  15  25   5   2  200  200  100")
_RING = _rates("       15  60 100  60  150 100  50  40  20 120  30  10  200  200  100")
_FARMED = _rates("     40 150 350 100  200 300 150  50  50 200  50  20  300  300  100")
_EXIT = _rates("       10  20 700  50  100 200 100  20  50 150  50  10  300  500  100")
_STOLEN = _rates("    100 600  50 500  200 800 400  50  20  60  20  10  200  300  300")
_OWING = _rates("      40  30  50 150  200 850 200  20  20  60  10   5  200  300  200")

PROFILES: dict[Archetype, Profile] = {
    Archetype.HONEST: Profile(share=0.71, rates=_HONEST),
    Archetype.CARELESS: Profile(share=0.12, rates=_CARELESS, verified=0.5),
    Archetype.TROUBLEMAKER: Profile(share=0.03, rates=_TROUBLE, verified=0.45),
    Archetype.DEFAULTER: Profile(share=0.04, rates=_DEFAULT, verified=0.35),
    Archetype.FARMER: Profile(share=0.02, rates=_HONEST, after=_FARMED, inside=0.8, verified=0.25),
    Archetype.RING: Profile(share=0.02, rates=_RING, inside=0.75, verified=0.25),
    Archetype.EXIT_SCAMMER: Profile(share=0.015, rates=_HONEST, after=_EXIT, verified=0.4),
    Archetype.STOLEN_ACCOUNT: Profile(share=0.015, rates=_HONEST, after=_STOLEN),
    Archetype.SYBIL_FARM: Profile(
        share=0.02, rates=_RING, after=_FARMED, inside=0.95, clique=20, all_turn=False,
        verified=0.05,
    ),
    Archetype.PAY_AFTER_DEFAULTER: Profile(
        share=0.01, rates=_HONEST, after=_OWING, verified=0.8, pays_after=0.35
    ),
}  # fmt: skip
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
    market: Ints

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.archetype)

    def rate(self, name: str, member: Ints, turned: Bools) -> Floats:
        """Chance `name` for each member of a list, moved by their trait and market."""
        before = np.array([getattr(PROFILES[a].rates, name) for a in ARCHETYPES])
        after = np.array(
            [getattr(PROFILES[a].after or PROFILES[a].rates, name) for a in ARCHETYPES]
        )
        kind = self.archetype[member]
        base = np.where(turned, after[kind], before[kind])
        trait = (self.money if name in MONEY_RATES else self.conduct)[member]
        moved = TRAIT_LOADING * trait + np.array(MARKET_SHIFTS)[self.market[member]]
        chance: Floats = 1.0 / (1.0 + (1.0 - base) / base * np.exp(-moved))
        return chance


def draw_population(rng: np.random.Generator, members: int, start: int, end: int) -> Population:
    """Draw members of a town that grows by `GROWTH` from `start` to `end`, at a constant rate: so
    those who turn are always the same share of it, and the town has no age of its own."""
    shares = np.array([PROFILES[a].share for a in ARCHETYPES])
    kind = rng.choice(len(ARCHETYPES), size=members, p=shares / shares.sum()).astype(np.int64)
    part = np.log1p(rng.random(members) * (GROWTH - 1)) / np.log(GROWTH)
    joined = start + (part * LAST_JOIN * (end - start)).astype(np.int64)
    waits = (rng.uniform(60, 400, members) * DAY_US).astype(np.int64)
    likely = np.array([PROFILES[a].verified for a in ARCHETYPES])[kind]
    clique, first = _cliques(kind)
    return Population(
        archetype=kind,
        joined=joined,
        turns=np.where(_turning(kind, first), joined + waits, NEVER_US),
        clique=clique,
        activity=rng.lognormal(0.0, 0.7, members),
        seller_lean=rng.beta(1.2, 1.2, members),
        money=rng.standard_normal(members),
        conduct=rng.standard_normal(members),
        verified=LEAST_CHECKS + rng.binomial(5 - LEAST_CHECKS, likely),
        market=rng.choice(len(MARKETS), size=members, p=MARKET_SHARES).astype(np.int64),
    )


def _turning(kind: Ints, first: Bools) -> Bools:
    """Who will turn: members of a type that does, or of some types the first of a clique."""
    turns = np.array([PROFILES[a].after is not None for a in ARCHETYPES])[kind]
    everybody = np.array([PROFILES[a].all_turn for a in ARCHETYPES])[kind]
    turning: Bools = turns & (everybody | first)
    return turning


def _cliques(kind: Ints) -> tuple[Ints, Bools]:
    """Number the cliques of the types that have them, -1 for everybody else; who comes first."""
    clique = np.full(len(kind), -1, dtype=np.int64)
    first = np.zeros(len(kind), dtype=bool)
    base = 0
    for code, archetype in enumerate(ARCHETYPES):
        if PROFILES[archetype].inside > 0:
            rows = np.flatnonzero(kind == code)
            place = np.arange(len(rows))
            clique[rows] = base + place // PROFILES[archetype].clique
            first[rows] = place % PROFILES[archetype].clique == 0
            base += len(rows)
    return clique, first


def market_of(people: Population) -> Grouping:
    """The town that each member lives in."""
    return Grouping(labels=MARKETS, code=people.market)


def draw_protected(seed: int, people: Population) -> dict[str, Grouping]:
    """Two synthetic attributes that no model may know, from a stream of their own."""
    rng = np.random.Generator(np.random.PCG64([seed, _PROTECTED_STREAM]))
    sex = rng.integers(0, len(SEXES), len(people))
    # 0.35 of a standard deviation of log-activity, and the rest chance.
    age = rng.standard_normal(len(people)) - 0.35 * np.log(people.activity) / 0.7
    band = np.searchsorted(np.array([-0.9, 0.5]), age)
    return {
        "sex": Grouping(labels=SEXES, code=sex.astype(np.int64)),
        "age_band": Grouping(labels=AGE_BANDS, code=band.astype(np.int64)),
    }
