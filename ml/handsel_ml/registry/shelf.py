"""The bundles of all models that were ever registered, one folder per id, never written twice.

The folder is as open as any; so the caller keeps the hashes of both files elsewhere and gives them
to `load`, which believes nothing else.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec

from handsel_ml.bundle import JSON_FILE, MODEL_FILE, BundleInfo, read_bundle, sha256
from handsel_ml.errors import BundleInvalid
from handsel_ml.model import Model
from handsel_ml.serve import load_bundle


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle on the shelf: what it says of itself, the hashes of `model.txt`, `bundle.json`."""

    info: BundleInfo
    model_sha256: str
    bundle_sha256: str


class Shelf:
    """Bundles under `root`/`model_id`."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made by the first `put`."""
        self.root = root

    def folder(self, model_id: str) -> Path:
        """Where a model's files are. Raises `BundleInvalid` for what is no id."""
        if not model_id or not model_id.replace("-", "").isalnum():
            raise BundleInvalid("bundle_missing", f"{model_id!r} is no id of a model")
        return self.root / model_id

    def put(self, source: Path) -> Shelved:
        """Check a bundle and keep a copy. Raises `BundleInvalid`.

        The copy comes whole or not at all, and one that is there is left alone.
        """
        _, info = read_bundle(source)
        folder = self.folder(info.model_id)
        if not folder.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.root, prefix=".new-") as made:
                side = Path(made) / "bundle"
                side.mkdir()
                for name in (MODEL_FILE, JSON_FILE):
                    shutil.copyfile(source / name, side / name)
                _, copied = read_bundle(side)
                if copied != info:
                    raise BundleInvalid("bundle_tampered", f"{source} changed while it was copied")
                _move(side, folder)
        return self._shelved(folder)

    def load(self, model_id: str, model_sha256: str, bundle_sha256: str) -> Model:
        """Load a model whose files have these hashes. Raises `BundleInvalid`.

        `bundle_missing`, or `bundle_tampered` where a file is not the one that was registered.
        """
        folder = self.folder(model_id)
        for name, expected in ((MODEL_FILE, model_sha256), (JSON_FILE, bundle_sha256)):
            if _hash_of(folder / name) != expected:
                detail = f"{folder / name} is not the file that was registered"
                raise BundleInvalid("bundle_tampered", detail)
        model = load_bundle(folder)
        if (model.info.model_id, model.info.model_sha256) != (model_id, model_sha256):
            raise BundleInvalid("bundle_tampered", f"{folder} holds {model.info.model_id}")
        return model

    def _shelved(self, folder: Path) -> Shelved:
        _, info = read_bundle(folder)
        return Shelved(
            info=info,
            model_sha256=_hash_of(folder / MODEL_FILE),
            bundle_sha256=_hash_of(folder / JSON_FILE),
        )


def _move(side: Path, folder: Path) -> None:
    """Rename into place; when another process was faster, its copy stands."""
    try:
        side.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _hash_of(file: Path) -> str:
    try:
        return sha256(file.read_bytes())
    except OSError as error:
        raise BundleInvalid("bundle_missing", str(error)) from error
