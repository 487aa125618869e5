"""The order "best": a linear blend anybody can check, and the newcomers' place.

score = text x .45 + fit x (distance x .20 + trust x .15 + price x .10 + response x .10)

Every factor is 0..1 and the score never falls when one of them rises. ``fit`` is 1 while a hit's
text is at least half as good as the best hit's and fades to 0 with it, so that nearness, trust or
price never lift a text that does not fit above one that does. A missing factor counts as its
neutral value. Financial score and money tier are not inputs and must never become one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from handsel_search.cursor import Position, decode_cursor, encode_cursor
from handsel_search.engine import Candidate
from handsel_search.query import SearchQuery

__all__ = ("Neutral", "RankedHit", "Reason", "Weights", "best_page", "rank_best")

TOP: Final = 10
FIT_FULL_FROM: Final = 0.5
PRICE_SPAN: Final = math.log(4.0)
IDENTITY_SHARE: Final = 0.3
D0_MIN_M: Final = 500.0
D0_MAX_M: Final = 20_000.0


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of "best"; they sum to 1."""

    text: float = 0.45
    distance: float = 0.20
    trust: float = 0.15
    price: float = 0.10
    response: float = 0.10


class Neutral(msgspec.Struct, frozen=True, kw_only=True):
    """What an unknown factor counts as: about the mean of known ones, never the worst.

    Constants (a caller may pass a category's means), not means of the list at hand: those would
    let one seller's better record lift another's place.
    """

    text: float = 0.5
    distance: float = 0.5
    conduct: float = 0.6
    price: float = 0.5
    response: float = 0.6


class Reason(msgspec.Struct, frozen=True):
    """One line of "why here": a stable code, the fact behind it, and its share of the score.

    Codes: text (0..1 of the best hit), distance_m, conduct_band, identity_tier,
    price_vs_typical (ratio), response_rate, newcomer_place. ``value`` is None when unknown.
    """

    code: str
    value: float | int | None
    share: float


class RankedHit(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate with its score (0..1) and reasons; the shares sum to the score."""

    candidate: Candidate
    score: float
    why: tuple[Reason, ...]


def rank_best(
    query: SearchQuery,
    candidates: Sequence[Candidate],
    typical_minor: Mapping[str, int] | None = None,
    *,
    weights: Weights | None = None,
    neutral: Neutral | None = None,
) -> list[RankedHit]:
    """Candidates in the order "best"; ties by id.

    ``typical_minor`` is candidate id -> the guide price's median for it, in minor units of the
    candidate's currency; leave out those without one. A seller without a settled deal gets at
    worst place ten, if one is among the candidates whose text fits.
    """
    best_text = max((c.text_score or 0.0 for c in candidates), default=0.0)
    d0 = min(D0_MAX_M, max(D0_MIN_M, (query.radius_m or 0) / 3))
    blend = _Blend(weights or Weights(), neutral or Neutral(), best_text, d0, typical_minor or {})
    ranked = sorted(map(blend.hit, candidates), key=lambda hit: (-hit.score, hit.candidate.id))
    return _newcomer_place(ranked, blend)


def best_page(
    query: SearchQuery, ranked: Sequence[RankedHit]
) -> tuple[tuple[RankedHit, ...], str | None]:
    """The page of ranked hits that the query's cursor asks for, and the next page's cursor.

    Raises:
        InvalidSearch: a cursor of another query.
    """
    position = decode_cursor(query)
    start = 0 if position is None else position.offset
    end = start + query.page_size
    more = end < len(ranked)
    return tuple(ranked[start:end]), encode_cursor(query, Position(offset=end)) if more else None


class _Blend:
    def __init__(
        self,
        weights: Weights,
        neutral: Neutral,
        best_text: float,
        d0: float,
        typical: Mapping[str, int],
    ) -> None:
        self._weights = weights
        self._neutral = neutral
        self._best_text = best_text
        self._d0 = d0
        self._typical = typical

    def text(self, candidate: Candidate) -> float | None:
        """Text score as a share of the best hit's, None without a text."""
        if candidate.text_score is None or self._best_text <= 0:
            return None
        return candidate.text_score / self._best_text

    def hit(self, candidate: Candidate) -> RankedHit:
        """Score one candidate."""
        weights, neutral = self._weights, self._neutral
        text = self.text(candidate)
        fit = 1.0 if text is None else min(1.0, text / FIT_FULL_FROM)
        conduct = neutral.conduct
        if candidate.conduct_band is not None:
            conduct = candidate.conduct_band / 4
        near = neutral.distance
        if candidate.distance_m is not None:
            near = math.exp(-candidate.distance_m / self._d0)
        ratio = self._ratio(candidate)
        price = neutral.price
        if ratio is not None:
            price = 1 - min(1.0, abs(math.log(ratio)) / PRICE_SPAN) if ratio > 0 else 0.0
        response = neutral.response if candidate.response_rate is None else candidate.response_rate
        trust = fit * weights.trust
        why = (
            Reason("text", text, weights.text * (neutral.text if text is None else text)),
            Reason("distance_m", candidate.distance_m, fit * weights.distance * near),
            Reason("conduct_band", candidate.conduct_band, trust * (1 - IDENTITY_SHARE) * conduct),
            Reason(
                "identity_tier",
                candidate.identity_tier,
                trust * IDENTITY_SHARE * candidate.identity_tier / 5,
            ),
            Reason("price_vs_typical", ratio, fit * weights.price * price),
            Reason("response_rate", candidate.response_rate, fit * weights.response * response),
        )
        return RankedHit(candidate=candidate, score=sum(r.share for r in why), why=why)

    def _ratio(self, candidate: Candidate) -> float | None:
        typical = self._typical.get(candidate.id)
        if typical is None or typical <= 0 or candidate.price_minor is None:
            return None
        return candidate.price_minor / typical


def _newcomer_place(ranked: list[RankedHit], blend: _Blend) -> list[RankedHit]:
    """Move the best fitting newcomer to place ten when the first ten hold none."""
    if any(hit.candidate.settled_count == 0 for hit in ranked[:TOP]):
        return ranked
    for place, hit in enumerate(ranked[TOP:], TOP):
        text = blend.text(hit.candidate)
        if hit.candidate.settled_count == 0 and (text is None or text >= FIT_FULL_FROM):
            marked = msgspec.structs.replace(
                hit, why=(*hit.why, Reason("newcomer_place", TOP, 0.0))
            )
            return [*ranked[: TOP - 1], marked, *ranked[TOP - 1 : place], *ranked[place + 1 :]]
    return ranked
