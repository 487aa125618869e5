"""Argon2id in worker threads, a bounded number at a time: a log-in must not take the machine."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from handsel.foundation.core.errors import Busy

T = TypeVar("T")
# OWASP Password Storage Cheat Sheet, the lowest of its equivalent settings: 19 MiB, t=2, p=1.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = CapacityLimiter(2)
_MOST_WAITING = 64

#: The hash of a random text that nobody kept: checked for unknown accounts, so that they cost the
#: same time. A test compares its parameters with those above.
NOBODYS_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$FLfAie/d+FxgF0tgyw3+hQ"
    "$M22Csrjg+lKHSTH/8eCDeSNQT3toKRWhSmAckyRi/7Q"
)


async def hash_password(password: str) -> str:
    """The text to store. Raises ``Busy`` when too many wait."""
    return await _in_thread(lambda: _hasher.hash(password))


async def is_right(stored: str | None, password: str) -> bool:
    """Whether the password matches; without a stored hash it takes as long and is False."""
    right = await _in_thread(lambda: _verify(stored or NOBODYS_HASH, password))
    return right and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_thread(work: Callable[[], T]) -> T:
    if _slots.statistics().tasks_waiting >= _MOST_WAITING:
        raise Busy
    return await to_thread.run_sync(work, limiter=_slots)
