"""A child must not outlive its supervisor, however that ends (kill -9 included)."""

import ctypes
import os
import signal
import sys
import threading
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LOOK_EVERY_S: Final = 1.0


def end_with(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent`` ends; 0 means nobody.

    Kill and not terminate: a port that a hanging child keeps would block the next start, and an
    unfinished transaction rolls back by itself. Only Linux can do it; elsewhere a thread looks.
    """
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before the kernel knew
        os._exit(1)


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(_LOOK_EVERY_S)
    os._exit(1)
