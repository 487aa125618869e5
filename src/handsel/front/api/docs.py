"""What a client's author reads: the OpenAPI document, the API page, a page for each problem."""

import html
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.params import HeaderParameter

from handsel.foundation.core.errors import NotFound, Problem
from handsel.foundation.core.schema import View
from handsel.foundation.http.problems import documented
from handsel.front.api import openapi
from handsel.front.web.assets import PAGE_POLICY, page

#: Scalar writes its styles into the page and compiles JSON schemas to functions in a worker.
_DOCS_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
_DOCS: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>handsel API</title>
<link rel="icon" href="/static/icon.svg">
<body>
<noscript>This page needs JavaScript; here is <a href="/openapi.json">the document</a>.</noscript>
<div id="reference"></div>
<script src="/static/scalar.js"></script>
<script src="/static/docs.js"></script>
"""


class ProblemType(View):
    """What a problem's code means."""

    type: str
    code: str
    title: str
    status: int
    description: str


class ProblemTypes(View):
    """Every problem that the service may answer with."""

    items: list[ProblemType]


class DocsController(Controller):
    path = "/"
    tags = ("operations",)

    @get("/openapi.json", include_in_schema=False)
    async def openapi_document(self, request: Request[Any, Any, State]) -> Response[bytes]:
        """The OpenAPI 3.1 document."""
        state = request.app.state
        if "openapi_bytes" not in state:
            state.openapi_bytes = msgspec.json.encode(openapi.document(request.app))
        return Response(state.openapi_bytes, media_type="application/json")

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def docs(self) -> Response[bytes]:
        """The API page."""
        return page(_DOCS.encode(), policy=_DOCS_POLICY)

    @get("/problems", sync_to_thread=False)
    def list_problems(self) -> ProblemTypes:
        """Every problem code, in alphabetical order."""
        kinds = sorted(Problem.registry().values(), key=lambda kind: kind.code)
        return ProblemTypes(items=[_describe(kind) for kind in kinds])

    @get("/problems/{code:str}", responses=documented(404), sync_to_thread=False)
    def read_problem(
        self,
        code: str,
        accept: Annotated[str | None, HeaderParameter(name="Accept", required=False)] = None,
    ) -> Response[ProblemType]:
        """What a problem's code means, for the `type` of a problem: a page in a browser."""
        kind = Problem.registry().get(code)
        if kind is None:
            raise NotFound("no problem has this code")
        if "text/html" in (accept or ""):
            return page(_problem_page(_describe(kind)), policy=PAGE_POLICY)
        return Response(_describe(kind), media_type="application/json")


def _describe(kind: type[Problem]) -> ProblemType:
    """The docstring's first line is the title, the rest tells more."""
    lines = (kind.__doc__ or "").strip().splitlines()[1:]
    about = " ".join(line.strip() for line in lines if line.strip())
    return ProblemType(
        type=f"/problems/{kind.code}",
        code=kind.code,
        title=kind.title(),
        status=kind.status,
        description=about,
    )


_PROBLEM_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · handsel</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/style.css">
<main class="narrow">
<p><a href="/">handsel</a> · problem</p>
<h1>{title}</h1>
<p>Code <code>{code}</code>, HTTP status {status}.</p>
<p>{description}</p>
<p>Programs branch on the code; it never changes. See <a href="/docs">the API page</a> and
<a href="/problems">all problems</a>.</p>
</main>
"""


def _problem_page(kind: ProblemType) -> bytes:
    values = {k: html.escape(str(v)) for k, v in msgspec.to_builtins(kind).items()}
    return _PROBLEM_PAGE.format(**values).encode()
