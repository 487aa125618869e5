"""What a person sees while a command works: on standard error, so that output can be piped."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from handsel.foundation.core import clock

Say = Callable[[str], None]

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line of news."""
    console.print(text, markup=False)


@contextmanager
def step(title: str) -> Iterator[Say]:
    """A piece of work: a spinner in a terminal, a line elsewhere; then how long it took."""
    began = clock.monotonic()
    if sys.stderr.isatty():
        with console.status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")
    else:
        say(f"{title} …")
        yield lambda text: say(f"  {text}")
    took = clock.monotonic() - began
    if took >= 0.5 or not sys.stderr.isatty():
        console.print(f"{title}: {took:.1f} s", markup=False, style="dim")
