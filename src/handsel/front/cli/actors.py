"""Members of a demonstration, and the stage they act on: HTTP and nothing else."""

import re
import secrets
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import httpx
import msgspec

from handsel.foundation.core import clock

T = TypeVar("T")
_PASSWORD: Final = "a demonstration, not a secret"  # noqa: S105 - of members made for one run
_PATIENCE_S: Final = 30.0


class Deviation(Exception):
    """The service answered otherwise than it must."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise ``Deviation`` unless it holds."""
    if not holds:
        raise Deviation(otherwise)


class Stage:
    """The running service, and who tells of it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._step = 0

    def tell(self, text: str) -> None:
        """One line; those that begin with blanks belong to the one before."""
        if text.startswith(" "):
            print(f"    {text}", flush=True)
            return
        self._step += 1
        print(f"{self._step:3}  {text}", flush=True)

    def open(self) -> None:
        """The service is ready and a sandbox."""
        ready = self.get("/readyz")
        now = self.get("/v1/sandbox/clock")["now"]
        self.tell(f"{self.http.base_url} is ready (schema {ready['schema_revision']}, {now[:10]})")

    def get(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        """A GET that must succeed."""
        answer = self.http.get(path, params=params, headers=headers)
        expect(answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def advance(self, by: timedelta) -> None:
        """Move the sandbox's clock."""
        answer = self.http.post("/v1/sandbox/clock", json={"advance": f"PT{int(by / _HOUR)}H"})
        expect(answer.status_code == 200, f"the clock does not move: {answer.text[:300]}")

    def wait(self, what: str, look: Callable[[], T | None]) -> T:
        """What the worker brings, soon. Raises ``Deviation`` when it does not."""
        began = clock.monotonic()
        while clock.monotonic() - began < _PATIENCE_S:
            found = look()
            if found:
                return found
            threading.Event().wait(0.15)
        raise Deviation(f"{what} did not come within {_PATIENCE_S:.0f} s")

    def cast(self, name: str, *, by_phone: bool = False) -> "Actor":
        """A new member at T1: signed up, proven, with document and bank account."""
        actor = Actor(self, f"{name}-{secrets.token_hex(4)}")
        address = (
            f"+491512{secrets.randbelow(10**7):07}" if by_phone else f"{actor.handle}@example.org"
        )
        kind = "phone" if by_phone else "email"
        actor.join(kind, address)
        for fact in ("id_document", "bank_account"):
            actor.post("/v1/me/verifications", {"kind": fact, "value": "PASS"}, 201)
        tier = actor.get("/v1/trust")["tier"]
        expect(tier == "T1", f"{actor.handle} is {tier} after verification, not T1")
        self.tell(f"{actor.handle} signs up by {kind} and is verified to {tier}")
        return actor

    def code_for(self, address: str) -> str:
        """The code that the sandbox would have sent there."""
        items = self.get("/v1/sandbox/messages", {"to": address})["items"]
        found = re.search(r"\b\d{6}\b", items[0]["text"]) if items else None
        if found is None:
            raise Deviation(f"no code was sent to {address}")
        return found.group()


_HOUR: Final = timedelta(hours=1)


class Actor:
    """A member with a session."""

    def __init__(self, stage: Stage, handle: str) -> None:
        self.handle = handle
        self._stage = stage
        self._token = ""

    def join(self, kind: str, address: str) -> None:
        """Sign up. A phone is proven by doing so, an e-mail address by a code afterwards."""
        body = {"handle": self.handle, "password": _PASSWORD, kind: address}
        if kind == "phone":
            self.post("/v1/members/phone-codes", {"phone": address}, 202)
            body["code"] = self._stage.code_for(address)
        self._token = self.post("/v1/members", body, 201)["token"]
        if kind == "email":
            self.post("/v1/me/email-code", {"email": address}, 202)
            proof = {"kind": kind, "value": address, "code": self._stage.code_for(address)}
            self.post("/v1/me/verifications", proof, 201)

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        """A GET that must succeed."""
        return self._stage.get(path, params, **self._headers())

    def post(self, path: str, body: Any = None, status: int | None = None) -> Any:
        """A POST that must succeed (with this status)."""
        answer = self._send(path, body)
        right = answer.status_code == status if status else answer.is_success
        expect(right, f"POST {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    def refused(self, path: str, body: Any, status: int) -> dict[str, Any]:
        """A POST that must be refused with this status; the problem."""
        answer = self._send(path, body)
        right = answer.status_code == status and "problem+json" in answer.headers["content-type"]
        expect(right, f"POST {path} should be refused: {answer.status_code} {answer.text[:300]}")
        return msgspec.json.decode(answer.content, type=dict[str, Any])

    def top_up(self, amount_minor: int) -> None:
        """Money by a sandbox token; the worker asks the provider."""
        before = self.wallet()[0]
        amount = {"amount_minor": amount_minor, "currency": "GBP"}
        self.post("/v1/wallet/top-ups", {"amount": amount, "token": "tok_ok"}, 202)
        self._stage.wait("the top-up", lambda: self.wallet()[0] == before + amount_minor)

    def wallet(self) -> tuple[int, int, int]:
        """(available, pending, held) in pence."""
        for balance in self.get("/v1/wallet")["balances"]:
            if balance["currency"] == "GBP":
                return (
                    balance["available_minor"],
                    balance["pending_minor"],
                    balance["held_minor"],
                )
        return (0, 0, 0)

    def confirm(self, order: dict[str, Any]) -> str:
        """The second confirmation: payee, amount and terms, with the password."""
        body = {
            "payee_id": order["provider_id"],
            "amount": order["amount"],
            "terms_hash": order["terms_hash"],
            "password": _PASSWORD,
        }
        return str(self.post("/v1/confirmations", body)["token"])

    def fund(self, order: dict[str, Any]) -> dict[str, Any]:
        """Confirm and pay into the hold."""
        body = {"name": "fund", "confirmation": self.confirm(order)}
        funded: dict[str, Any] = self.post(f"/v1/orders/{order['id']}/transitions", body)
        expect(funded["state"] == "funded", f"the order is {funded['state']}, not funded")
        return funded

    def move(self, order: dict[str, Any], name: str, to: str, note: str = "") -> None:
        """One move, and the state that it must lead to."""
        moved = self.post(f"/v1/orders/{order['id']}/transitions", {"name": name, "note": note})
        expect(moved["state"] == to, f"{name} leads to {moved['state']}, not {to}")

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as it is now."""
        read: dict[str, Any] = self.get(f"/v1/orders/{order['id']}")
        return read

    def notice(self, kind: str) -> dict[str, Any] | None:
        """The newest notice of a kind."""
        items = self.get("/v1/notices")["items"]
        return next((item for item in items if item["kind"] == kind), None)

    def _send(self, path: str, body: Any) -> httpx.Response:
        headers = self._headers() | {"Idempotency-Key": secrets.token_hex(16)}
        return self._stage.http.post(path, json=body, headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}
