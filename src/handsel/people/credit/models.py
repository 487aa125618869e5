"""The models of this process: as the register says, loaded once and hash-checked, or absent with a
reason.

An empty register means the models that ship with the code. Registered ones lie on the shelf in
HANDSEL_HOME; a file that is not the one that was registered is found here, and serves nobody.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from handsel.foundation.core.settings import load
from handsel.people.credit.queries import Reader
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.errors import BundleInvalid
from handsel_ml.model import Model
from handsel_ml.registry.share import in_canary
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES, load_bundle, load_models

_log = structlog.get_logger()
_SEATED = """
SELECT s.kind, m.model_id, m.model_sha256, m.bundle_sha256,
       CASE m.model_id WHEN s.champion_id THEN 'champion' WHEN s.canary_id THEN 'canary'
                       ELSE 'shadow' END AS seat,
       CASE m.model_id WHEN s.canary_id THEN s.canary_bps ELSE 0 END AS share_bps
  FROM people.model_seats s
  JOIN people.models m
    ON m.model_id IN (s.champion_id, s.canary_id) OR m.model_id = ANY (s.shadow_ids)
 ORDER BY m.model_id
"""


class Models(NamedTuple):
    """Both models, or ``failure``: the stable code of why there are none."""

    by_kind: dict[ScoreKind, Model]
    failure: str | None


class Challenger(NamedTuple):
    """A model beside the champion; in shadow its share is 0. Unusable, it has a ``failure``."""

    model_id: str
    kind: ScoreKind
    share_bps: int
    model: Model | None
    failure: str | None

    def scores(self, member_id: UUID) -> bool:
        """Whether the member belongs to its canary."""
        return in_canary(self.model_id, str(member_id), self.share_bps)


class Serving(NamedTuple):
    """Who serves now."""

    champions: Models
    challengers: tuple[Challenger, ...] = ()


@cache
def models_in(root: Path = BUNDLES) -> Models:
    """The models under a folder. One that cannot be trusted takes both away: nobody is scored."""
    try:
        return Models(load_models(root), None)
    except BundleInvalid as error:
        return _unusable(error)


def shelf_in(home: Path) -> Shelf:
    """The shelf of the house that lives in this folder."""
    return Shelf(home / "models" / "registry")


@cache
def home_shelf() -> Shelf:
    """The shelf of this house. Looked up where it is needed: whoever refreshes a score is told of
    neither settings nor files, and most houses never have a model of their own."""
    return shelf_in(load().home)


async def serving(reader: Reader, shelf: Shelf | None = None) -> Serving:
    """The models that the register seats: one query; files only of what is new here."""
    rows = await reader.fetch(_SEATED)
    if not rows:
        return Serving(models_in())
    shelf = shelf or home_shelf()
    champions = _champions((row for row in rows if row["seat"] == "champion"), shelf)
    beside = (row for row in rows if row["seat"] != "champion")
    return Serving(champions, tuple(_challenger(row, shelf) for row in beside))


def from_shelf(row: Any, shelf: Shelf) -> Model:
    """The model of a row of ``people.models``. Raises ``BundleInvalid``, each time it is asked."""
    return _kept(shelf.root, row["model_id"], row["model_sha256"], row["bundle_sha256"])


@cache
def _kept(root: Path, model_id: str, model_sha256: str, bundle_sha256: str) -> Model:
    return Shelf(root).load(model_id, model_sha256, bundle_sha256)


@cache
def _shipped(kind: ScoreKind) -> Model:
    return load_bundle(BUNDLES / kind)


def _champions(rows: Iterable[Any], shelf: Shelf) -> Models:
    seated = {row["kind"]: row for row in rows}
    if not seated:
        return models_in()
    try:
        return Models(
            {
                kind: from_shelf(seated[kind], shelf) if kind in seated else _shipped(kind)
                for kind in SCORE_KINDS
            },
            None,
        )
    except BundleInvalid as error:
        return _unusable(error)


def _challenger(row: Any, shelf: Shelf) -> Challenger:
    try:
        model, failure = from_shelf(row, shelf), None
    except BundleInvalid as error:
        _log.error("challenger_unusable", model=row["model_id"], detail=error.detail)
        model, failure = None, error.code
    return Challenger(row["model_id"], row["kind"], row["share_bps"], model, failure)


def _unusable(error: BundleInvalid) -> Models:
    _log.error("credit_models_unusable", code=error.code, detail=error.detail)
    return Models({}, error.code)
