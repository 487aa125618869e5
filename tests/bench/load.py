"""A load generator that eats little: requests are bytes made ahead, an answer is barely read."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import uuid4

import msgspec

_END = b"\r\n\r\n"


def request(method: str, path: str, token: str | None, body: Any) -> bytes:
    """A whole HTTP/1.1 request with an Idempotency-Key of its own."""
    data = b"" if body is None else msgspec.json.encode(body)
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{who}"
        f"Idempotency-Key: {uuid4().hex}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Client(asyncio.Protocol):
    """One kept-alive connection that asks one thing at a time; every answer must be a success."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """A connection on loopback."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A part of an answer; the whole of it ends the waiting."""
        self._received += data
        head = self._received.find(_END)
        if head < 0:
            return
        if len(self._received) < head + len(_END) + _length(bytes(self._received[:head])):
            return
        assert self._answer is not None
        self._answer.set_result(bytes(self._received))
        self._received.clear()

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody waits for ever."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up"))

    async def send(self, message: bytes) -> bytes:
        """The body of the answer to a request."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        head, _, body = (await self._answer).partition(_END)
        assert head[9:10] == b"2", f"{message[:120]!r}: {head[:40]!r} {body[:300]!r}"
        return body

    async def post(self, path: str, token: str, body: Any) -> Any:
        """A keyed POST; the decoded answer."""
        content = await self.send(request("POST", path, token, body))
        return msgspec.json.decode(content) if content else None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r")[0]) if found else 0


async def rate(port: int, queues: Sequence[Iterable[bytes]], seconds: float) -> float:
    """Answers a second: one client for each queue, which sends until its queue or time is up."""
    clients = [await Client.connect(port) for _ in queues]
    began = time.monotonic()

    async def drain(client: Client, queue: Iterable[bytes]) -> int:
        sent = 0
        for message in queue:
            if time.monotonic() - began >= seconds:
                break
            await client.send(message)
            sent += 1
        return sent

    counts = await asyncio.gather(*map(drain, clients, queues))
    took = time.monotonic() - began
    for client in clients:
        client.close()
    return sum(counts) / took
