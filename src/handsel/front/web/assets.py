"""Files that a browser loads: read once, compressed, cached by content."""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from litestar import Controller, Response, get
from litestar.params import HeaderParameter

from handsel.foundation.core.errors import NotFound

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
#: A page of ours: its own files and nothing else, no inline code, talks to its own host only.
PAGE_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
AcceptEncoding = Annotated[
    str | None, HeaderParameter(name="Accept-Encoding", required=False, max_length=1000)
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", required=False, max_length=1000)
]


class Asset(NamedTuple):
    """A file as it is sent."""

    gzipped: bytes
    media_type: str
    etag: str


@cache
def asset(name: str) -> Asset:
    """The file ``name``, or ``name.gz`` where it is stored compressed. Raises ``NotFound``."""
    for file in (_FOLDER / name, _FOLDER / f"{name}.gz"):
        if file.parent == _FOLDER and file.is_file() and Path(name).suffix in _TYPES:
            raw = file.read_bytes()
            gzipped = raw if file.suffix == ".gz" else gzip.compress(raw, mtime=0)
            etag = f'"{hashlib.sha256(gzipped).hexdigest()[:20]}"'
            return Asset(gzipped, _TYPES[Path(name).suffix], etag)
    raise NotFound("there is no such file")


def send(name: str, accept_encoding: str | None, if_none_match: str | None) -> Response[bytes]:
    """A file, or 304 where the browser has it."""
    found = asset(name)
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    headers["Content-Security-Policy"] = PAGE_POLICY
    if if_none_match and found.etag in if_none_match:
        return Response(b"", status_code=304, headers=headers)
    body = found.gzipped
    if "gzip" in (accept_encoding or ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, media_type=found.media_type, headers=headers)


def page(body: bytes, *, policy: str) -> Response[Any]:
    """An HTML page made in the program."""
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(body, media_type=_TYPES[".html"], headers=headers)


class WebController(Controller):
    path = "/"
    include_in_schema = False

    @get("/", sync_to_thread=False)
    def home(
        self, accept_encoding: AcceptEncoding = None, if_none_match: IfNoneMatch = None
    ) -> Response[bytes]:
        """The first page."""
        return send("index.html", accept_encoding, if_none_match)

    @get("/static/{name:str}", sync_to_thread=False)
    def static_file(
        self, name: str, accept_encoding: AcceptEncoding = None, if_none_match: IfNoneMatch = None
    ) -> Response[bytes]:
        """One of the page's files."""
        return send(name, accept_encoding, if_none_match)
