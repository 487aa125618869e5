"""Everything that can be refused, each with a stable code."""

from __future__ import annotations


class CreditError(Exception):
    """A refusal with a stable `code` and a `detail` for the person who reads the log."""

    def __init__(self, code: str, detail: str) -> None:
        """Store both; the message is `code: detail`."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class FactInvalid(CreditError):
    """A fact does not fit the schema of its kind."""


class TrainingRefused(CreditError):
    """The training set or the config cannot give a model one could defend."""


class BundleInvalid(CreditError):
    """A model bundle is missing, damaged, altered or of another version: nothing is served."""


class ScoringFailed(CreditError):
    """The model gave no finite number, or was given a vector of the wrong shape."""


class GraphRefused(CreditError):
    """Ratings, seeds or edges from which no trust can be derived."""


class JudgementRefused(CreditError):
    """The rows or answers cannot be judged: none, not the same, or of another score."""


class RegistryRefused(CreditError):
    """The register's policy cannot be read, or a contest of two models cannot be judged."""
