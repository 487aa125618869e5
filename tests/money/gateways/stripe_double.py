"""``StripeBooks`` behind HTTP: Stripe's forms, keys, lists and errors, on a loopback socket.

What the contract rests on is done as Stripe does it: a POST with an Idempotency-Key is answered the
same again, another request under it is refused, and an answer may be lost after the act.
"""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.money.gateways.stripe_books import Fields, Refused, StripeBooks

API_KEY = "sk_test_of_the_double"
_PAGE = 3  # small, so that lists really have pages


class StripeDouble:
    """A running double. ``base`` is its address; while it is ``down`` it answers 503."""

    def __init__(self) -> None:
        self.books = StripeBooks()
        self.answered: dict[str, tuple[tuple[str, Fields], int, Fields]] = {}
        self.asked: list[tuple[str, str]] = []
        self.versions: set[str] = set()
        self.down = False
        self._lost: set[str] = set()
        self.lock = threading.Lock()
        double = self

        class Handler(_Handler):
            stripe = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def loses(self, path: str, form: str) -> bool:
        """Whether this answer gets lost: the first of each kind about ``…_lost``."""
        known = path in self._lost
        if re.search(r"=(pm|acct)_lost\b", form) is None or known:
            return False
        self._lost.add(path)
        return True

    def forget_keys(self) -> None:
        """A day has passed."""
        self.answered.clear()

    def answer(self, method: str, path: str, params: Fields, headers: Any) -> tuple[int, Fields]:
        self.asked.append((method, path))
        self.versions.add(headers.get("Stripe-Version", ""))
        if headers.get("Authorization") != f"Bearer {API_KEY}":
            return 401, {"error": {"type": "invalid_request_error", "message": "wrong key"}}
        key, request = headers.get("Idempotency-Key"), (path, params)
        if method == "POST" and key in self.answered:
            known, status, body = self.answered[key]
            if known != request:
                return 400, {"error": {"type": "idempotency_error", "message": "another request"}}
            return status, body
        try:
            found = _route(self.books, method, path, headers.get("Stripe-Account"))(params)
            status, body = 200, json.loads(json.dumps(found))
        except Refused as refused:
            status, body = refused.status, {"error": refused.error}
        if method == "POST" and key:
            self.answered[key] = request, status, body
        return status, body


class _Handler(BaseHTTPRequestHandler):
    stripe: StripeDouble

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._serve("GET", url.path, url.query)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._serve("POST", urlsplit(self.path).path, text)

    def _serve(self, method: str, path: str, form: str) -> None:
        with self.stripe.lock:
            if self.stripe.down:
                self._send(503, {"error": {"type": "api_error", "message": "down"}})
                return
            status, body = self.stripe.answer(method, path, _nested(form), self.headers)
            if method == "POST" and self.stripe.loses(path, form):
                self.close_connection = True  # acted, and nobody is told
                return
        self._send(status, body)

    def _send(self, status: int, body: Fields) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Request-Id", f"req_{len(self.stripe.asked):06}")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _nested(form: str) -> Fields:
    """``a[b][c]=1&d[0]=2`` as nested values; an empty text is kept."""
    found: Fields = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        *outer, last = re.findall(r"[^\[\]]+", name)
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def _route(
    books: StripeBooks, method: str, path: str, account: str | None
) -> Callable[[Fields], Fields]:
    parts = path.removeprefix("/v1/").split("/")
    return _posted(books, parts, account) if method == "POST" else _read(books, parts, account)


def _posted(books: StripeBooks, parts: list[str], account: str | None) -> Callable[..., Fields]:
    match parts:
        case ["payment_intents"]:
            return books.payment_intent
        case ["payment_intents", key, "cancel"]:
            return lambda _: books.cancel_intent(key)
        case ["refunds"]:
            return books.refund
        case ["transfers"]:
            return books.transfer
        case ["transfers", key, "reversals"]:
            return lambda _: books.reversal(key)
        case ["payouts"]:
            return lambda params: books.payout(params, account or "")
        case ["disputes", key, "close"]:
            return lambda _: books.close_dispute(key)
        case ["disputes", key]:
            return lambda params: books.answer_dispute(key, params)
    raise AssertionError(f"the double does not know POST {parts}")


def _read(books: StripeBooks, parts: list[str], account: str | None) -> Callable[..., Fields]:
    match parts:
        case ["payment_intents", "search"]:
            return lambda params: _found(books, params)
        case [kind, key]:
            return lambda _: books.get(kind.removesuffix("s"), key)
        case [kind]:
            return lambda params: _page(_listed(books, kind, params, account), params, kind)
    raise AssertionError(f"the double does not know GET {parts}")


def _found(books: StripeBooks, params: Fields) -> Fields:
    match = re.fullmatch(r"metadata\['handsel_key'\]:'([0-9a-f-]{36})'", params["query"])
    assert match is not None, params["query"]
    intents = books.of("payment_intent")
    hits = [x for x in intents if x["metadata"].get("handsel_key") == match[1]]
    return {"object": "search_result", "data": hits, "has_more": False, "url": "/v1/search"}


def _listed(books: StripeBooks, kind: str, params: Fields, account: str | None) -> list[Fields]:
    if kind == "balance_transactions":
        assert params["expand"] == {"0": "data.source"}
        rows = [x | {"source": books.objects[x["source"]]} for x in reversed(books.lines)]
    else:
        rows = books.of(kind.removesuffix("s"))
    within = params.get("created") or {}
    lowest, below = int(within.get("gte", 0)), int(within.get("lt", 2**40))
    same = {k: params[k] for k in ("payment_intent", "transfer_group") if k in params}
    if kind == "payouts":
        same["account"] = account
    rows = [x for x in rows if lowest <= x["created"] < below]
    return [x for x in rows if all(x.get(k) == v for k, v in same.items())]


def _page(rows: list[Fields], params: Fields, kind: str) -> Fields:
    after = params.get("starting_after")
    begin = next((i + 1 for i, x in enumerate(rows) if x["id"] == after), 0)
    page = rows[begin : begin + min(_PAGE, int(params.get("limit", 10)))]
    more = begin + len(page) < len(rows)
    return {"object": "list", "data": page, "has_more": more, "url": f"/v1/{kind}"}
