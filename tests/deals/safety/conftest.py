"""The whole API in this process, as the journeys have it."""

from tests.journeys.conftest import story

__all__ = ["story"]
