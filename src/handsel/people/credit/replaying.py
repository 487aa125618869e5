"""Making a snapshot again: the same facts, the same model, the same numbers, to the bit.

Facts are those known strictly before the snapshot's moment; the model is the one that its row
names, from the register's shelf or as it ships. Whatever differs is named with both values.
"""

import struct
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from handsel.people.credit import queries
from handsel.people.credit.assessment import score_of
from handsel.people.credit.schemas import StoredReason, StoredScore, stored_score
from handsel_ml.bundle import read_bundle
from handsel_ml.contract import SCORE_KINDS
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.errors import BundleInvalid
from handsel_ml.model import Model
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES, load_bundle

_SNAPSHOT = "SELECT * FROM people.score_snapshots WHERE member_id = $1 AND as_of = $2 ORDER BY kind"
_MODEL = "SELECT * FROM people.models WHERE model_id = $1"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded, and what came out now; floats as their eight bytes too."""

    where: str
    recorded: str
    found: str


class Replayed(NamedTuple):
    """What was compared, and what differs."""

    compared: tuple[str, ...]
    differences: tuple[Difference, ...]


def differing(where: str, recorded: Any, found: Any) -> Iterator[Difference]:
    """Nothing where both are the same to the bit, else the difference."""
    if exact(recorded) != exact(found):
        yield Difference(where=where, recorded=exact(recorded), found=exact(found))


def exact(value: Any) -> str:
    """A value as text that differs wherever a bit does; NaN equals itself."""
    if isinstance(value, float):
        return f"{value!r} [{struct.pack('>d', value).hex()}]"
    if isinstance(value, tuple | list):
        return f"[{', '.join(exact(part) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {exact(value[key])}' for key in sorted(value))}}}"
    return str(value)


class Replayer:
    """Replays over one connection; each model is loaded, and its files checked, once."""

    def __init__(self, reader: queries.Reader, shelf: Shelf) -> None:
        self.reader = reader
        self._shelf = shelf
        self._models: dict[str, Model] = {}

    async def snapshot(self, name: str, member_id: UUID, as_of: datetime) -> Replayed:
        """Both scores of a member as of a moment; ``name`` begins what is compared."""
        rows = await self.reader.fetch(_SNAPSHOT, member_id, as_of)
        facts = await queries.facts_before(self.reader, member_id, as_of)
        compared: list[str] = []
        differences: list[Difference] = []
        for row in rows:
            where = f"{name}.{row['kind']}"
            seen = (row["facts_seen"], row["facts_until"])
            until = facts[-1].known_at if facts else None
            differences += differing(f"{where}.facts", seen, (len(facts), until))
            recorded = stored_score(row)
            if recorded.state == "failed":
                compared.append(f"{where}: {len(facts)} facts; no score ({recorded.failure})")
                continue
            differences += await self._score(where, recorded, facts, as_of)
            compared.append(
                f"{where}: {len(facts)} facts, {len(recorded.vector or ())} features, score, "
                f"range, {len(recorded.reasons)} reasons by {recorded.model_id}"
            )
        return Replayed(tuple(compared), tuple(differences))

    async def _score(
        self, where: str, recorded: StoredScore, facts: Sequence[KnownFact], as_of: datetime
    ) -> list[Difference]:
        try:
            model = await self._model(str(recorded.model_id))
        except BundleInvalid as error:
            gone = Difference(
                where=f"{where}.model", recorded=str(recorded.model_id), found=str(error)
            )
            return [gone]
        found = score_of(facts, as_of, model)
        differences: list[Difference] = []
        for field in StoredScore.__struct_fields__:
            before, after = getattr(recorded, field), getattr(found, field)
            if field == "reasons":
                words = any(reason.text is not None for reason in recorded.reasons)
                before, after = _codes(before, words), _codes(after, words)
            elif field == "vector":
                names = model.info.features
                differences += _cells(f"{where}.vector", names, before, after)
                continue
            differences += differing(f"{where}.{field}", before, after)
        return differences

    async def _model(self, model_id: str) -> Model:
        if model_id not in self._models:
            row = await self.reader.fetchrow(_MODEL, model_id)
            self._models[model_id] = _shipped(model_id) if row is None else self._registered(row)
        return self._models[model_id]

    def _registered(self, row: Any) -> Model:
        """From the shelf; a copy that is gone is as good as the original that ships."""
        try:
            return self._shelf.load(row["model_id"], row["model_sha256"], row["bundle_sha256"])
        except BundleInvalid as error:
            if error.code != "bundle_missing" or not row["shipped"]:
                raise
            return _shipped(row["model_id"])


def _shipped(model_id: str) -> Model:
    """A model that ships with this code, by its id, which is a hash of it. Raises
    ``BundleInvalid``."""
    for kind in SCORE_KINDS:
        if read_bundle(BUNDLES / kind)[1].model_id == model_id:
            return load_bundle(BUNDLES / kind)
    raise BundleInvalid("model_unknown", "neither in the register nor shipped with this code")


def _codes(reasons: tuple[StoredReason, ...], worded: bool) -> tuple[tuple[str, int, bool], ...]:
    """Reasons without words: those are made when somebody reads them. ``worded``: words were
    recorded, when nobody asked yet whether a reason is for lack of history."""
    return tuple((r.code, r.points, r.unknown and not worded) for r in reasons)


def _cells(
    where: str, names: tuple[str, ...], before: tuple[float, ...] | None,
    after: tuple[float, ...] | None,
) -> list[Difference]:  # fmt: skip
    if before is None or after is None or len(before) != len(after):
        return list(differing(where, before, after))
    return [
        difference
        for name, old, new in zip(names, before, after, strict=True)
        for difference in differing(f"{where}.{name}", old, new)
    ]
