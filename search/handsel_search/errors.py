"""What can go wrong in the search library: facts with stable names, hence no Error suffix."""

from __future__ import annotations

__all__ = (
    "EngineError",
    "EngineRefused",
    "EngineUnavailable",
    "IndexingFailed",
    "InvalidMapping",
    "InvalidSearch",
)


class InvalidSearch(ValueError):
    """The search cannot be answered as asked.

    ``code`` is stable and machine-readable, ``pointer`` is a JSON pointer into the query,
    ``detail`` one English sentence. A front end answers 422.
    """

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(f"{code} at {pointer}: {detail}")
        self.code = code
        self.pointer = pointer
        self.detail = detail


class EngineError(Exception):
    """An engine did not answer; the base of the three below."""


class EngineUnavailable(EngineError):
    """Time-out, refused connection, 5xx, too many requests or an unreadable answer."""


class EngineRefused(EngineError):
    """The engine is well but cannot answer this one query (4xx, or one of its own limits)."""


class IndexingFailed(EngineError):
    """An indexing task failed or was cancelled; ``code`` is the engine's own."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class InvalidMapping(ValueError):
    """The mapping file is wrong, or the CSV file does not have the columns it names."""
