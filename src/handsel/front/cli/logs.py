"""Structured logs: one JSON object a line on standard error, our own lines and the libraries'."""

import logging
import sys
from typing import Any, Final

import msgspec
import structlog

from handsel.foundation.core.errors import UserError

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
#: Loud at info, and what they say there is no news.
_CALM: Final = ("_granian", "granian.access", "httpx", "httpcore", "pgqueuer", "asyncio", "alembic")


def configure(level_name: str) -> None:
    """Once per process, before anything logs. Raises ``UserError`` for an unknown level."""
    level = _LEVELS.get(level_name.lower())
    if level is None:
        raise UserError(f"HANDSEL_LOG_LEVEL must be one of {', '.join(_LEVELS)}.")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    errors = structlog.processors.format_exc_info
    render = structlog.processors.JSONRenderer(serializer=_encode)
    structlog.configure(
        processors=[*shared, errors, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                errors,
                structlog.processors.JSONRenderer(serializer=_encode_text),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _CALM:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _encode(event: dict[str, Any], **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def _encode_text(event: dict[str, Any], **_: Any) -> str:
    return _encode(event).decode()
