"""What every request and every operator gets: ids, headers, logs, metrics, health, the clock."""

import gzip
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from litestar import Litestar
from msgspec.structs import replace

from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.front import revision
from handsel.front.api.app import create_app
from tests.factories.members import create_member

HOUSE = Path(__file__).parents[2] / "src" / "handsel"
STATIC = HOUSE / "front" / "web" / "static"


def client_of(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


# ---- health --------------------------------------------------------------------------------------


async def test_health_and_readiness(http: httpx.AsyncClient) -> None:
    alive, ready = await http.get("/healthz"), await http.get("/readyz")

    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["schema_revision"] == revision.needed()


async def test_an_older_schema_is_not_ready(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision, "needed", lambda: "9999")

    answer = await http.get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "9999 is needed" in answer.json()["detail"]


async def test_a_database_that_is_away_is_not_ready(database_url: str, settings: Settings) -> None:
    pool = await open_pool(database_url, size=1)
    await pool.close()
    async with client_of(create_app(settings, Database(pool))) as http:
        answer, alive = await http.get("/readyz"), await http.get("/healthz")

    assert (answer.status_code, answer.json()["code"], alive.status_code) == (503, "not_ready", 200)


# ---- every request -------------------------------------------------------------------------------


async def test_a_sane_request_id_is_kept(http: httpx.AsyncClient) -> None:
    answer = await http.get("/nothing", headers={"X-Request-Id": "abc-1.2:3"})

    assert answer.headers["x-request-id"] == "abc-1.2:3"
    assert answer.json()["instance"] == "abc-1.2:3"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "ä"])
async def test_another_request_id_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/healthz", headers={b"X-Request-Id": given.encode()})

    assert re.fullmatch(r"req_[\w-]{22}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/", "/docs"])
async def test_every_answer_has_safe_headers(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_one_log_line_without_secrets(database: Database, http: httpx.AsyncClient) -> None:
    member = await create_member(database)
    with structlog.testing.capture_logs() as lines:
        await http.get("/v1/me?hunter=2", headers=member.headers)

    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/me", 200)
    assert re.fullmatch("[0-9a-f]{12}", line["member"])
    assert not any(
        secret in str(lines) for secret in (member.token, member.id.hex, member.handle, "hunter")
    )


async def test_metrics_count_by_route_template(http: httpx.AsyncClient) -> None:
    for path in ("/problems/stale", "/problems/invalid", "/no/such/1", "/no/such/2"):
        await http.get(path)

    text = (await http.get("/metrics")).text

    requests = 'handsel_http_requests_total{method="GET",route="%s",status="%d"}'
    assert requests % ("/problems/{code}", 200) + " 2.0" in text
    assert requests % ("unmatched", 404) in text
    assert "/no/such" not in text
    assert "handsel_outbox_backlog_events 0.0" in text
    assert 'handsel_jobs{state="parked"} 0.0' in text
    assert "handsel_pool_in_use_connections 0.0" in text


# ---- the sandbox's clock -------------------------------------------------------------------------


async def test_the_clock_moves_forward(http: httpx.AsyncClient) -> None:
    before = (await http.get("/v1/sandbox/clock")).json()

    moved = await http.post("/v1/sandbox/clock", json={"advance": "PT36H"})

    gone = datetime.fromisoformat(moved.json()["now"]) - datetime.fromisoformat(before["now"])
    assert moved.status_code == 200
    assert timedelta(0) <= gone - timedelta(hours=36) < timedelta(seconds=10)


@pytest.mark.parametrize(
    "body",
    [
        {"advance": "PT0S"}, {"advance": "-PT1H"}, {"advance": "P401D"}, {"advance": "P"},
        {"advance": "1 day"}, {"advance": 3600}, {}, {"advance": "PT1H", "back": True},
    ],
)  # fmt: skip
async def test_a_wrong_move_moves_nothing(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    before = (await http.get("/v1/sandbox/clock")).json()["ahead"]

    refused = await http.post("/v1/sandbox/clock", json=body)

    assert refused.status_code == 422
    assert (await http.get("/v1/sandbox/clock")).json()["ahead"] == before


async def test_there_is_no_movable_clock_outside_the_sandbox(
    database: Database, settings: Settings
) -> None:
    async with client_of(create_app(replace(settings, sandbox=False), database)) as http:
        read = await http.get("/v1/sandbox/clock")
        moved = await http.post("/v1/sandbox/clock", json={"advance": "PT1H"})

    assert (read.status_code, moved.status_code) == (404, 404)


# ---- pages and their files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/static/home.js", "/static/style.css", "/static/docs.js"]
)
async def test_a_page_names_no_other_host(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 200
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", answer.text))
    assert urls <= {"http://127.0.0.1", "//127.0.0.1"}


async def test_the_policies_let_no_other_host_in(http: httpx.AsyncClient) -> None:
    for path in ("/", "/docs"):
        policy = (await http.get(path)).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy


async def test_files_are_compressed_and_remembered(http: httpx.AsyncClient) -> None:
    plain = await http.get("/static/scalar.js", headers={"Accept-Encoding": "identity"})
    packed = await http.get("/static/scalar.js", headers={"Accept-Encoding": "gzip"})
    again = await http.get("/static/scalar.js", headers={"If-None-Match": packed.headers["etag"]})

    assert plain.content == gzip.decompress((STATIC / "scalar.js.gz").read_bytes())
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 1_100_000
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["..%2Fassets.py", "assets.py", "scalar.js.gz", "nothing.js", "."])
async def test_only_the_pages_own_files_are_served(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/static/{name}")).status_code == 404


async def test_the_page_draws_the_eight_wings(http: httpx.AsyncClient) -> None:
    shown = re.findall(r"<li><code>(\w+)</code>", (await http.get("/")).text)

    assert shown == [
        "front", "desk", "reach", "deals", "catalog", "money", "people", "foundation",
    ]  # fmt: skip
    there = {path.parent.name for path in HOUSE.glob("*/__init__.py")} - {"migrations"}
    assert there <= set(shown)


async def test_every_field_has_a_label(http: httpx.AsyncClient) -> None:
    text = (await http.get("/")).text

    fields = set(re.findall(r'<(?:input|select) id="(\w+)"', text))
    assert (
        fields == set(re.findall(r'<label for="(\w+)"', text)) == {"q", "place", "radius", "sort"}
    )


# ---- problems ------------------------------------------------------------------------------------


async def test_every_problem_has_its_page(http: httpx.AsyncClient) -> None:
    listed = {item["code"]: item for item in (await http.get("/problems")).json()["items"]}

    assert set(listed) == set(Problem.registry())
    stale = await http.get(listed["stale"]["type"])
    assert (stale.json()["status"], stale.json()["title"]) == (
        412,
        "The object has changed since you read it",
    )


async def test_a_browser_gets_a_page(http: httpx.AsyncClient) -> None:
    answer = await http.get("/problems/over_limit", headers={"Accept": "text/html"})

    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>This is over your limit</h1>" in answer.text
    assert (await http.get("/problems/none_such")).status_code == 404
