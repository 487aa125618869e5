"""Where training writes: a folder whose models are all of one training, or that stays as it was."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from handsel_ml.contract import SCORE_KINDS
from handsel_ml.errors import TrainingRefused

#: All that training and its report leave; a folder with anything else is somebody's own.
OURS = {*SCORE_KINDS, "report.html", "MODEL_CARD.md"}


def check_place(folder: Path) -> None:
    """Refuse what would not be replaced without loss: `TrainingRefused`, `out_in_use`."""
    try:
        foreign = sorted({path.name for path in folder.iterdir()} - OURS)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TrainingRefused("out_in_use", f"{folder}: {error.strerror}") from error
    if foreign:
        detail = f"{folder} holds {foreign[0]}, which training did not write: name another folder"
        raise TrainingRefused("out_in_use", detail)


@contextlib.contextmanager
def all_at_once(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write into; it takes its place when the block ends well.

    What was there, its report too, is gone then. Raises `TrainingRefused`: out_in_use,
    out_unwritable; `folder` is as it was.
    """
    check_place(folder)
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as made:
            side = Path(made) / "new"
            side.mkdir()
            yield side
            _exchange(side, target, Path(made) / "old")
    except OSError as error:
        raise TrainingRefused("out_unwritable", f"{folder}: {error.strerror}") from error


def _exchange(side: Path, target: Path, aside: Path) -> None:
    """Put `side` in the place of `target`, which goes `aside`, or comes back."""
    if not target.exists():
        side.replace(target)
        return
    target.replace(aside)
    try:
        side.replace(target)
    except OSError:
        aside.replace(target)
        raise
