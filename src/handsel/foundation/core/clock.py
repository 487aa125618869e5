"""The only place that reads the time.

Business time is the database's ``foundation.handsel_now()`` (clock + the sandbox's offset), so that
SQL, sweeps and Python agree; Python gets it with the unit of work (``tx.now``). Here are only the
process's own clocks: for durations, and for the moment before a database is there.
"""

import time


def monotonic() -> float:
    """Seconds for measuring durations; no relation to the time of day."""
    return time.monotonic()


def unix_ms() -> int:
    """Milliseconds since 1970 of the machine: for the time in an id, never for a deadline."""
    return time.time_ns() // 1_000_000
