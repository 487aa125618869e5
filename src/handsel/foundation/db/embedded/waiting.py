"""Waiting with a bound, and saying so."""

import time
from collections.abc import Callable, Iterator


def patiently(
    say: Callable[[str], None], what: str, *, within: float, pause: float = 0.025
) -> Iterator[float]:
    """Yield the seconds waited, again and again, for `within` seconds; report every second."""
    began = time.monotonic()
    told = 0
    while (waited := time.monotonic() - began) < within:
        yield waited
        if int(waited) > told:
            told = int(waited)
            say(f"{what} ({told} s)")
        time.sleep(pause)
