"""The OpenAPI document is complete enough to make clients from."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.http.problems import MEDIA_TYPE

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await http.get("/openapi.json")).json()
    return made


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_its_frame(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert {"title", "version", "description"} <= set(document["info"])
    assert document["servers"] == [{"url": "/"}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert len(document["paths"]) >= 40


def test_operation_ids_are_unique_readable_names(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"(get|post|put|patch|delete)_[a-z0-9_]+", name) for name in ids)
    assert {"get_order", "post_order_transitions", "get_search", "patch_listing"} <= set(ids)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for part in walk(document):
        if "$ref" in part:
            target: Any = document
            for step in part["$ref"].removeprefix("#/").split("/"):
                assert step in target, part["$ref"]
                target = target[step]


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        responses = operation["responses"]
        assert "default" in responses, (path, method)
        assert any(status.startswith("2") for status in responses), (path, method)
        for status, response in responses.items():
            if status == "default" or int(status) >= 400:
                assert list(response["content"]) == [MEDIA_TYPE], (path, method, status)


def test_the_refusals_that_any_operation_of_its_kind_has_are_documented(
    document: dict[str, Any],
) -> None:
    known = {str(problem.status) for problem in Problem.registry().values()}

    for path, method, operation in operations(document):
        told = {status for status in operation["responses"] if status[0] in "45"}
        needed = {"404"} if "{" in path else set()
        needed |= {"401"} if operation["security"] == [{"bearer": []}] else set()
        assert needed <= told <= known, (path, method)


def test_every_code_is_named(document: dict[str, Any]) -> None:
    code = document["components"]["schemas"]["ProblemView"]["properties"]["code"]

    assert code["examples"] == sorted(Problem.registry())
    assert "enum" not in code


def test_who_must_log_in(document: dict[str, Any]) -> None:
    def security(path: str, method: str) -> Any:
        return document["paths"][path][method]["security"]

    assert security("/v1/me", "get") == [{"bearer": []}]
    assert security("/v1/orders", "post") == [{"bearer": []}]  # through the unit of work
    assert security("/v1/search", "get") == []
    assert security("/v1/listings/{listing_id}", "get") == [{}, {"bearer": []}]


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert operation["tags"], (path, method)
        assert len(operation["summary"]) > 10, (path, method)


def test_bounds_of_integers_are_integers(document: dict[str, Any]) -> None:
    for part in walk(document):
        if part.get("type") == "integer":
            bounds = [part[key] for key in ("minimum", "maximum") if key in part]
            assert all(isinstance(bound, int) for bound in bounds), part
