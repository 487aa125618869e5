"""One handler for everything that goes wrong: RFC 9457, with a stable ``code``."""

from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from handsel.foundation.core.errors import (
    Invalid,
    InvalidAmount,
    Malformed,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
)
from handsel.foundation.db.errors import translate

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger()


class MethodNotAllowed(Problem):
    """This path does not take this method"""

    code = "method_not_allowed"
    status = 405


class ErrorItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request, and where (a JSON pointer or a parameter's name)."""

    pointer: str
    detail: str


class ProblemView(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details. Branch on ``code``; further members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    errors: list[ErrorItem] | msgspec.UnsetType = msgspec.UNSET


def documented(*statuses: int) -> dict[int, ResponseSpec]:
    """``responses=`` of a handler: these statuses answer with a problem."""
    return {
        status: ResponseSpec(
            data_container=ProblemView,
            description=HTTPStatus(status).phrase,
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status in statuses
    }


def body_of(problem: Problem, instance: str | None = None) -> bytes:
    """The JSON text of a problem."""
    members: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title(),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    if instance:
        members["instance"] = instance
    return msgspec.json.encode(members | problem.members)


def answer(request: Request[Any, Any, State], error: Exception) -> Response[bytes]:
    """Turn any exception of a handler into its problem; log what is our own fault."""
    problem = as_problem(error)
    request_id = request.scope.get("state", {}).get("request_id")
    if problem.status >= 500 and problem.code == "internal":
        _log.error("request_failed", path=request.scope["path"], exc_info=error)
    return Response(
        content=body_of(problem, request_id),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def as_problem(error: Exception) -> Problem:
    """The problem that an exception stands for."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return translate(error) or Problem("the fault is ours and has been logged")
    if isinstance(error, ValidationException):
        items = _items(error)
        amounts = all(item["pointer"].endswith("/amount_minor") for item in items)
        kind = InvalidAmount if amounts else Invalid
        return kind("the request does not fit its schema", errors=items)
    if isinstance(error, UnicodeDecodeError):
        return Malformed("the body is not UTF-8")
    if isinstance(error, HTTPException):
        return _of_http(error)
    return Problem("the fault is ours and has been logged")


def _of_http(error: HTTPException) -> Problem:
    by_status: dict[int, type[Problem]] = {
        400: Malformed,
        404: NotFound,
        405: MethodNotAllowed,
        413: TooLarge,
        429: TooManyRequests,
    }
    kind = by_status.get(error.status_code)
    if kind is None:
        return Problem("the fault is ours and has been logged")
    headers = dict(error.headers or {}) if kind is MethodNotAllowed else {}
    return kind("" if kind in (NotFound, MethodNotAllowed) else error.detail, headers=headers)


def _items(error: ValidationException) -> list[dict[str, str]]:
    items: list[dict[str, str]] = []
    for found in error.extra if isinstance(error.extra, list) else []:
        if isinstance(found, dict):
            source = found.get("source")
            where = found.get("key") or ""
            if where == "data" and found.get("message") == "'data'":  # Litestar's word for no body
                return [{"pointer": "", "detail": "a JSON body is required"}]
            name = getattr(source, "value", source)
            if name in (None, "body"):
                pointer = "/" + where.replace(".", "/") if where else ""
            else:
                pointer = f"{name}:{where}"
            items.append({"pointer": pointer, "detail": str(found.get("message", ""))})
    return items or [{"pointer": "", "detail": error.detail}]
