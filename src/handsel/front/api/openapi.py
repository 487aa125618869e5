"""The OpenAPI document: Litestar's, plus what only the whole house knows.

Litestar describes each handler by itself. Added here, for every operation: who must be logged in
(from the dependencies the handler asks for), the problem that any request may get, and the list of
problem codes. Made once per process.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import Method

from handsel import __version__
from handsel.foundation.core.errors import Problem
from handsel.foundation.http.problems import MEDIA_TYPE

_BEARER: Final = "bearer"
_PROBLEM: Final = "ProblemView"
_PATH_ITEM_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
_ABOUT: Final = """\
A marketplace for what people can do or lend nearby. Money waits in a protected hold until the work
is done, and how freely it moves depends on credit that you earn, can see, and can question.

- **Log in**: `POST /v1/sessions` gives a token; send it as `Authorization: Bearer <token>`.
- **Money** is an integer of minor units with its currency: 12.50 EUR is
  `{"amount_minor": 1250, "currency": "EUR"}`. Times are RFC 3339 in UTC.
- **Idempotency-Key**: required on all that creates or moves money. The same key and request get the
  same answer, byte for byte, for seven days.
- **ETag**: a mutable object has one; a change sends it back as `If-Match` (428 without, 412 stale).
- **Problems** are `application/problem+json` (RFC 9457). Branch on `code`, which never changes;
  `/problems/{code}` explains it. The list of all codes is at the schema `ProblemView`.
"""


def config() -> OpenAPIConfig:
    """What Litestar needs to know before the routes are registered."""
    bearer = SecurityScheme(type="http", scheme="bearer", description="A session's token.")
    return OpenAPIConfig(
        title="handsel",
        version=__version__,
        description=_ABOUT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path="/schema",
        use_handler_docstrings=True,
        components=Components(security_schemes={_BEARER: bearer}),
        operation_id_creator=_operation_id,
    )


def document(app: Litestar) -> dict[str, Any]:
    """The finished document of an application, as JSON values."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    schemas = made["components"].setdefault("schemas", {})
    _describe_problems(schemas)
    for route, path, method, handler in _operations(app):
        operation = made["paths"][path][method]
        operation.update(security=_security(handler))
        _summarise(operation)
        _only_problems(operation["responses"])
        _require_path_parameters(route, operation)
    _whole_numbers(made)
    _any_of(made)
    made["servers"] = [{"url": "/"}]
    return made


def _any_of(part: Any) -> None:
    """A union of ours fits whichever of its types fits; that no two do is nowhere promised."""
    if isinstance(part, dict):
        if isinstance(part.get("oneOf"), list):
            part["anyOf"] = part.pop("oneOf")
        for value in part.values():
            _any_of(value)
    elif isinstance(part, list):
        for value in part:
            _any_of(value)


def _summarise(operation: dict[str, Any]) -> None:
    """The docstring's first sentence is the summary, the rest the description."""
    text = " ".join(operation.pop("description", operation["summary"]).split())
    head, _, rest = text.partition(". ")
    operation["summary"] = head.rstrip(".")
    if rest:
        operation["description"] = rest


def _operation_id(_: HTTPRouteHandler, method: Method, path: list[Any]) -> str:
    """From method and path, which never change within v1, while functions are renamed:
    ``GET /v1/orders/{order_id}`` is ``get_order``, ``POST …/transitions``
    ``post_order_transitions``."""
    words: list[str] = []
    after_parameter = False
    for part in path:
        if isinstance(part, str):
            words.append(part.removesuffix(".json").replace("-", "_"))
        elif after_parameter or not words:
            words.append(part.name)
        else:
            words[-1] = _singular(words[-1])
        after_parameter = not isinstance(part, str)
    return "_".join([method.lower(), *words[words[:1] == ["v1"] :]])


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _operations(app: Litestar) -> Iterator[tuple[HTTPRoute, str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if handler.resolve_include_in_schema() and method.lower() in _PATH_ITEM_METHODS:
                yield route, route.path_format or "/", method.lower(), handler


def _security(handler: HTTPRouteHandler) -> list[dict[str, list[str]]]:
    """By dependencies: ``principal`` needs a token, ``visitor`` takes one, else it is open."""
    asked = _asked_for(handler)
    if "principal" in asked:
        return [{_BEARER: []}]
    return [{}, {_BEARER: []}] if "visitor" in asked else []


def _asked_for(handler: HTTPRouteHandler) -> set[str]:
    """The names that a handler asks for, also through its dependencies."""
    providers = handler.resolve_dependencies()
    waiting = list(handler.parsed_fn_signature.parameters)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if name in providers:
                waiting.extend(providers[name].parsed_fn_signature.parameters)
    return seen


def _only_problems(responses: dict[str, Any]) -> None:
    """Whatever goes wrong is a problem: also where Litestar describes an error of its own shape."""
    reference = {"$ref": f"#/components/schemas/{_PROBLEM}"}
    responses.setdefault("default", {"description": "Any other problem."})
    for status, response in responses.items():
        if status == "default" or int(status) >= 400:
            response["content"] = {MEDIA_TYPE: {"schema": reference}}


def _describe_problems(schemas: dict[str, Any]) -> None:
    """Name every code. As examples and not as an enum: a new one must not break a client."""
    codes = sorted(Problem.registry())
    view = schemas.setdefault(_PROBLEM, {"type": "object", "properties": {}})
    view["properties"].setdefault("code", {"type": "string"})
    listed = ", ".join(f"`{code}`" for code in codes)
    view["properties"]["code"].update(examples=codes, description=f"Today one of: {listed}.")


def _require_path_parameters(route: HTTPRoute, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in route.path_parameters:
            parameter["required"] = True


def _whole_numbers(value: Any) -> None:
    """Litestar writes the bounds of integers as floats: 1000000.0. Generators stumble over it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("minimum", "maximum", "exclusiveMinimum") and isinstance(inner, float):
                value[key] = int(inner) if inner.is_integer() else inner
            _whole_numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            _whole_numbers(inner)
