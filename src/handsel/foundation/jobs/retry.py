"""When a failed job runs again, and when it stops."""

import random
from datetime import timedelta

import msgspec

_random = random.SystemRandom()


class RetryPolicy(msgspec.Struct, frozen=True):
    """Exponential back-off with jitter, bounded: the defaults span about 17 minutes."""

    max_attempts: int = 8
    base_s: float = 4.0
    cap_s: float = 600.0

    def delay(self, attempt: int) -> timedelta:
        """The pause after failed attempt number ``attempt`` (from 1): half fixed, half jitter."""
        full = min(self.cap_s, self.base_s * 2 ** min(attempt - 1, 32))
        return timedelta(seconds=full * _random.uniform(0.5, 1.0))

    def is_last(self, attempt: int) -> bool:
        """Whether a failure of this attempt parks the job."""
        return attempt >= self.max_attempts


def jittered(seconds: float) -> float:
    """About this long: what many processes do at intervals must not fall into step."""
    return seconds * _random.uniform(0.85, 1.15)
