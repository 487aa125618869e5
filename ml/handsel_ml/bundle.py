"""A model on disk: `model.txt` (LightGBM's own text, or a scorecard as JSON) and `bundle.json`.
Never a pickle.

The JSON carries the hash of the text and of itself, so damage and casual edits fail closed. It
does not prove who made it: a caller that must know compares `model_id` with the one it expects.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from handsel_ml.calibrate import Calibrator
from handsel_ml.contract import ScoreKind
from handsel_ml.errors import BundleInvalid
from handsel_ml.scorecard import Band, Prior, ScoreMap

FORMAT = 2
MODEL_FILE = "model.txt"
JSON_FILE = "bundle.json"
EngineKind = Literal["trees", "scorecard"]


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The median good member: feature values, raw log-odds, contributions; a self-test too."""

    vector: tuple[float, ...]
    raw: float
    contributions: tuple[float, ...]


class BundleInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a model but its trees. `model_id` = kind and hash of the whole."""

    format: int
    kind: ScoreKind
    engine: EngineKind
    model_id: str
    model_sha256: str
    lightgbm_version: str
    features: tuple[str, ...]
    signs: tuple[int, ...]
    groups: tuple[str, ...]
    calibrator: Calibrator
    score_map: ScoreMap
    bands: tuple[Band, ...]
    prior: Prior
    reference: Reference
    as_of: str
    seed: int
    rows: dict[str, int]
    metrics: dict[str, dict[str, float]]
    config: dict[str, Any]
    environment: dict[str, str]


def sha256(content: bytes) -> str:
    """Hash in hex."""
    return hashlib.sha256(content).hexdigest()


def identify(info: BundleInfo) -> str:
    """The id that covers every field but itself and the environment it was trained in."""
    bare = msgspec.structs.replace(info, model_id="", environment={})
    return f"{info.kind}-{sha256(msgspec.json.encode(bare, order='sorted'))[:16]}"


def write_bundle(folder: Path, model_text: str, info: BundleInfo) -> BundleInfo:
    """Write both files into a folder that nobody reads yet (`output.all_at_once`); sets hash and
    id. Returns the completed info."""
    folder.mkdir(parents=True, exist_ok=True)
    content = model_text.encode()
    info = msgspec.structs.replace(info, model_sha256=sha256(content))
    info = msgspec.structs.replace(info, model_id=identify(info))
    (folder / MODEL_FILE).write_bytes(content)
    text = msgspec.json.format(msgspec.json.encode(info, order="sorted"), indent=1)
    (folder / JSON_FILE).write_bytes(text + b"\n")
    return info


def read_bundle(folder: Path) -> tuple[str, BundleInfo]:
    """Read and check both files: (model text, info). Raises `BundleInvalid`."""
    try:
        content = (folder / MODEL_FILE).read_bytes()
        info = msgspec.json.decode((folder / JSON_FILE).read_bytes(), type=BundleInfo)
    except OSError as error:
        raise BundleInvalid("bundle_missing", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleInvalid("bundle_corrupt", f"{folder / JSON_FILE}: {error}") from error
    if info.format != FORMAT:
        raise BundleInvalid("format_unknown", f"format {info.format}, this code reads {FORMAT}")
    if sha256(content) != info.model_sha256:
        raise BundleInvalid("hash_mismatch", f"{folder / MODEL_FILE} is not what was trained")
    if identify(info) != info.model_id:
        raise BundleInvalid("hash_mismatch", f"{folder / JSON_FILE} is not what was trained")
    return content.decode(), info
