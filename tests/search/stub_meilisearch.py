"""A small Meilisearch on a real socket: enough of its documented behaviour to hold us to it.

It refuses what the real one refuses (no Content-Type, filters and sorts that the settings do not
allow), runs writes as tasks, and can be told to be slow, broken or to fail tasks.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from handsel_search.text import fold, runs

Document = dict[str, Any]
TOKEN = re.compile(r"'([^']*)'|(_geo\w+)\(|([\w.-]+)|(>=|<=|!=|[=<>()\[\],])")


class Index:
    """Documents and settings of one index."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.settings: dict[str, Any] = {}

    def features(self, attribute: str) -> tuple[bool, bool]:
        """(equality, comparison) as the filterable attributes allow."""
        for rule in self.settings.get("filterableAttributes", []):
            if rule == attribute:
                return True, True
            if isinstance(rule, dict) and attribute in rule["attributePatterns"]:
                allowed = rule["features"]["filter"]
                return allowed["equality"], allowed["comparison"]
        return False, False


class Refused(Exception):
    """A 400 of the search route."""


class Filter:
    """One filter string as a predicate."""

    def __init__(self, text: str, index: Index) -> None:
        self.tokens = [next(g for g in m.groups() if g is not None) for m in TOKEN.finditer(text)]
        if re.sub(TOKEN, "", text).strip() not in ("", *(")" * n for n in range(9))):
            raise Refused(f"unreadable filter {text}")
        self.index = index
        self.place = 0

    def take(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1]

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def conjunction(self) -> Callable[[Document], bool]:
        parts = [self.condition()]
        while self.peek() == "AND":
            self.take()
            parts.append(self.condition())
        if self.peek():
            raise Refused(f"left over {self.peek()}")
        return lambda doc: all(part(doc) for part in parts)

    def condition(self) -> Callable[[Document], bool]:
        if self.peek() == "NOT":
            self.take()
            inner = self.condition()
            return lambda doc: not inner(doc)
        attribute = self.take()
        if attribute.startswith("_geo"):
            return self.geo(attribute)
        equality, comparison = self.index.features(attribute)
        operator = self.take()
        negated = operator == "NOT"
        if negated:
            operator = self.take()
        if not (comparison if operator in ("<", ">", "<=", ">=") else equality):
            raise Refused(f"{attribute} {operator} is not allowed by the settings")
        if operator == "IN":
            values = self.values()
            return lambda doc: negated != any(matches(doc.get(attribute), v) for v in values)
        value = self.take()
        if operator == "=":
            return lambda doc: matches(doc.get(attribute), value)
        return lambda doc: compares(doc.get(attribute), operator, value)

    def values(self) -> list[str]:
        found = []
        while (token := self.take()) != "]":
            if token not in ("[", ","):
                found.append(token)
        return found

    def geo(self, name: str) -> Callable[[Document], bool]:
        if "_geo" not in self.index.settings.get("filterableAttributes", []):
            raise Refused("_geo is not filterable")
        numbers = []
        while (token := self.take()) != ")":
            if token not in ("[", "]", ","):
                numbers.append(float(token))
        if name == "_geoRadius":
            lat, lon, radius = numbers
            return lambda doc: bool(doc["_geo"]) and haversine(doc, lat, lon) <= radius
        north, east, south, west = numbers
        assert north >= south
        assert all(abs(n) <= 180 for n in numbers)

        def inside(doc: Document) -> bool:
            if not doc["_geo"]:
                return False
            lat, lon = doc["_geo"]["lat"], doc["_geo"]["lng"]
            across = west <= lon <= east if west <= east else lon >= west or lon <= east
            return bool(south <= lat <= north and across)

        return inside


def matches(found: Any, value: str) -> bool:
    if isinstance(found, list):
        return any(matches(one, value) for one in found)
    if isinstance(found, bool):
        return value == str(found).lower()
    if isinstance(found, int | float):
        return found == float(value)
    return found is not None and str(found).lower() == value.lower()


def compares(found: Any, operator: str, value: str) -> bool:
    if found is None:
        return False
    left, right = (found, value) if isinstance(found, str) else (found, float(value))
    answers = {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}
    return bool(answers[operator])


def haversine(doc: Document, lat: float, lon: float) -> float:
    phi, phi0 = math.radians(doc["_geo"]["lat"]), math.radians(lat)
    h = math.sin((phi - phi0) / 2) ** 2
    h += math.cos(phi) * math.cos(phi0) * math.sin(math.radians(doc["_geo"]["lng"] - lon) / 2) ** 2
    return 2 * 6371000 * math.asin(math.sqrt(min(1.0, h)))


def search(index: Index, body: dict[str, Any]) -> dict[str, Any]:
    rows = list(index.documents.values())
    for clause in body["filter"]:
        options = clause if isinstance(clause, list) else [clause]
        tests = [Filter(option, index).conjunction() for option in options]
        rows = [row for row in rows if any(test(row) for test in tests)]
    scores = {row["id"]: text_score(row, body) for row in rows}
    rows = [row for row in rows if scores[row["id"]] > 0]
    rows.sort(key=lambda row: -scores[row["id"]])
    for rule in reversed(body.get("sort", [])):
        sort(rows, rule, index)
    most = index.settings["pagination"]["maxTotalHits"]
    hits = rows[:most][body.get("offset", 0) :][: body["limit"]]
    fields = body["attributesToRetrieve"]
    return {
        "hits": [
            {**{f: row[f] for f in fields}, "_rankingScore": scores[row["id"]]} for row in hits
        ],
        "estimatedTotalHits": min(most, len(rows)),
        "facetDistribution": {
            name: Counter(
                value
                for row in rows
                for value in (row[name] if isinstance(row[name], list) else [row[name]])
            )
            for name in body.get("facets", [])
        },
    }


def sort(rows: list[Document], rule: str, index: Index) -> None:
    name, _, direction = rule.rpartition(":")
    if (
        name.partition("(")[0].replace("_geoPoint", "_geo")
        not in index.settings["sortableAttributes"]
    ):
        raise Refused(f"{name} is not sortable")
    if name.startswith("_geoPoint"):
        lat, lon = map(float, re.findall(r"-?[\d.]+", name))
        rows.sort(key=lambda row: round(haversine(row, lat, lon)) if row["_geo"] else math.inf)
    else:
        rows.sort(key=lambda row: row[name], reverse=direction == "desc")


def text_score(row: Document, body: dict[str, Any]) -> float:
    words = list(runs(fold(body["q"])))
    if not words:
        return 1.0
    text = fold(" ".join([row["title"], *row["tags"], row["description"], row["category"]]))
    found = sum(word in text for word in words)
    if found < len(words) and body.get("matchingStrategy") == "all":
        return 0.0
    return found / len(words)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class StubMeilisearch:
    """The server; ``url`` to reach it, ``requests`` it saw, and the ways it can misbehave."""

    def __init__(self) -> None:
        self.indexes: dict[str, Index] = {}
        self.tasks: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.missing_content_type = 0
        self.delay_s = 0.0
        self.status: int | None = None
        self.garbage: bytes | None = None
        self.fail_tasks_with: str | None = None
        self.task_polls = 2
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Silence."""

            def do(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                raw = self.rfile.read(length)
                status, body = stub.answer(self.command, self.path, dict(self.headers), raw)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do  # noqa: N815

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(
        self, method: str, path: str, headers: dict[str, str], raw: bytes
    ) -> tuple[int, bytes]:
        body = json.loads(raw) if raw else None
        with self.lock:
            self.requests.append((method, path, headers, body))
        if self.delay_s:
            time.sleep(self.delay_s)
        if self.status is not None:
            return self.status, b'{"message":"broken","code":"broken"}'
        if self.garbage is not None:
            return 200, self.garbage
        if method in ("POST", "PATCH") and headers.get("Content-Type") != "application/json":
            with self.lock:
                self.missing_content_type += 1
            return 415, b'{"message":"no content type","code":"missing_content_type"}'
        try:
            with self.lock:
                status, result = self.route(method, path.partition("?")[0].strip("/"), body)
        except Refused as refusal:
            status, result = 400, {"message": str(refusal), "code": "invalid_search_filter"}
        return status, json.dumps(result).encode()

    def route(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.split("/")
        if parts[0] == "tasks":
            task = self.tasks[int(parts[1])]
            task["polls"] += 1
            done = task["polls"] > self.task_polls
            return 200, {**task, "status": task["final"] if done else "processing"}
        if parts[0] == "swap-indexes":
            a, b = body[0]["indexes"]
            self.indexes[a], self.indexes[b] = self.indexes[b], self.indexes[a]
            return self.task("indexSwap")
        if parts == ["indexes"]:
            if body["uid"] in self.indexes:
                return self.task("indexCreation", "index_already_exists")
            self.indexes[body["uid"]] = Index()
            return self.task("indexCreation")
        name = parts[1]
        if name not in self.indexes and not (method == "DELETE" and len(parts) == 2):
            return 404, {"message": "no such index", "code": "index_not_found"}
        return self.index_route(method, name, parts[2:], body)

    def index_route(self, method: str, name: str, rest: list[str], body: Any) -> tuple[int, Any]:
        if method == "DELETE" and not rest:
            error = None if self.indexes.pop(name, None) else "index_not_found"
            return self.task("indexDeletion", error)
        index = self.indexes[name]
        if rest == ["settings"]:
            index.settings.update(body)
        elif rest == ["search"]:
            return 200, search(index, body)
        elif rest == ["documents", "fetch"]:
            test = Filter(body["filter"], index).conjunction()
            found = [row for row in index.documents.values() if test(row)][: body["limit"]]
            rows = [{field: row[field] for field in body["fields"]} for row in found]
            return 200, {"results": rows, "offset": 0, "limit": body["limit"], "total": len(rows)}
        elif rest == ["documents", "delete-batch"]:
            for row_id in body:
                index.documents.pop(row_id, None)
        elif rest == ["documents"] and self.fail_tasks_with is None:
            index.documents.update({row["id"]: row for row in body})
        return self.task("write", self.fail_tasks_with)

    def task(self, kind: str, error: str | None = None) -> tuple[int, Any]:
        uid = len(self.tasks)
        self.tasks.append(
            {
                "uid": uid,
                "type": kind,
                "indexUid": None,
                "enqueuedAt": "2026-01-01T00:00:00.000000Z",
                "polls": 0,
                "final": "failed" if error else "succeeded",
                "error": {"code": error, "message": f"told to fail: {error}"} if error else None,
            }
        )
        return 202, {
            "taskUid": uid,
            "indexUid": None,
            "status": "enqueued",
            "type": kind,
            "enqueuedAt": "2026-01-01T00:00:00.000000Z",
        }
