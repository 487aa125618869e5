"""What an export says of itself: which files, how many facts, as of when, and their hashes.

The manifest is written last, so an export that was interrupted has none. It carries the hash of
every file and of itself: damage and casual edits fail closed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from handsel_ml.errors import FactInvalid

FORMAT = 1
MANIFEST_FILE = "manifest.json"
SUFFIX = ".parquet"


class PartFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file: its facts were known from `first_known` to `last_known` (microseconds)."""

    name: str
    rows: int
    first_known: int
    last_known: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An export: all facts known strictly before `as_of` (RFC 3339), in files by month.

    `schema_version` is the version of the facts' form where they came from: a database revision.
    """

    format: int
    export_id: str
    as_of: str
    schema_version: str
    rows: int
    columns: tuple[str, ...]
    files: tuple[PartFile, ...]


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write it with its own hash as `export_id`; returns it so completed."""
    manifest = msgspec.structs.replace(manifest, export_id=_identify(manifest))
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    with os.fdopen(_private(folder / MANIFEST_FILE), "wb") as file:
        file.write(text + b"\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read it and hold the folder against it; the files' hashes are `check_file`'s.

    Raises `FactInvalid`: export_missing, export_corrupt, format_unknown, hash_mismatch,
    duplicate_files, file_missing, file_unlisted.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
    except OSError as error:
        raise FactInvalid("export_missing", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FactInvalid("export_corrupt", f"{folder / MANIFEST_FILE}: {error}") from error
    if manifest.format != FORMAT:
        raise FactInvalid("format_unknown", f"format {manifest.format}, this code reads {FORMAT}")
    if _identify(manifest) != manifest.export_id:
        raise FactInvalid("hash_mismatch", f"{folder / MANIFEST_FILE} is not what was written")
    _check_listing(folder, manifest)
    return manifest


def _check_listing(folder: Path, manifest: Manifest) -> None:
    """Each file once, all of them there, and no others."""
    names = [part.name for part in manifest.files]
    contents = {part.sha256 for part in manifest.files}
    if len(set(names)) < len(names) or len(contents) < len(names):
        raise FactInvalid("duplicate_files", f"{folder / MANIFEST_FILE} lists a file twice")
    there = {path.name for path in folder.iterdir() if path.suffix == SUFFIX}
    if missing := sorted(set(names) - there):
        raise FactInvalid("file_missing", f"{folder}: {missing}")
    if unlisted := sorted(there - set(names)):
        raise FactInvalid("file_unlisted", f"{folder}: {unlisted}")


def check_file(folder: Path, part: PartFile) -> Path:
    """The path of a file that is what was written. Raises `FactInvalid`."""
    path = folder / part.name
    if file_sha256(path) != part.sha256:
        raise FactInvalid("hash_mismatch", f"{path} is not what was written")
    return path


def file_sha256(path: Path) -> str:
    """Hash in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claim_folder(folder: Path) -> None:
    """Make a folder for an export, for its owner alone. Raises `FactInvalid` if it has content."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FactInvalid("folder_not_empty", f"{folder} has content; exports overwrite nothing")


def _identify(manifest: Manifest) -> str:
    bare = msgspec.structs.replace(manifest, export_id="")
    return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()[:16]


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
