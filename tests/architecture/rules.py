"""The house rules as functions from a source file to what breaks them.

A rule is broken on purpose by a comment on the very line: ``# house: <rule> - <why>``.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("src/handsel", "ml/handsel_ml", "search/handsel_search")


@dataclass(frozen=True)
class Source:
    """A module: ``name`` is its path inside the repository."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Rule:
    """``excepted``: paths (prefixes) that may do it. ``find``: the offending line numbers."""

    name: str
    find: Callable[[Source], Iterator[int]]
    within: tuple[str, ...] = SOURCES
    excepted: tuple[str, ...] = ()

    def violations(self, source: Source) -> list[str]:
        if not source.name.startswith(self.within) or source.name.startswith(self.excepted):
            return []
        escape = f"# house: {self.name} - "
        lines = source.lines
        return [
            f"{source.name}:{number}: {self.name}"
            for number in sorted(set(self.find(source)))
            if escape not in lines[number - 1]
        ]


@cache
def sources() -> tuple[Source, ...]:
    """Every module of the product."""
    files = (file for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py")))
    return tuple(Source(str(file.relative_to(ROOT)), file.read_text()) for file in files)


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """String constants that are not docstrings, with the line each of their lines stands on."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            for offset, line in enumerate(node.value.split("\n")):
                yield min(node.lineno + offset, node.end_lineno or node.lineno), line


def litestar(source: Source) -> Iterator[int]:
    """An import of the web framework outside the HTTP rooms."""
    if source.name.endswith("/api.py"):
        return
    for line, module in _imported(source.tree):
        if module.partition(".")[0] == "litestar":
            yield line


_COMMIT = re.compile(r"^\s*(COMMIT|ROLLBACK)\b[^a-z]*$")


def commits(source: Source) -> Iterator[int]:
    """``commit()`` of anything, or the SQL words, outside the unit of work."""
    for node in ast.walk(source.tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("commit", "rollback"):
            yield called.lineno
    yield from (line for line, text in _strings(source.tree) if _COMMIT.match(text))


_CLOCKS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "time_ns"),
}  # fmt: skip
_SQL_CLOCK = re.compile(r"(?<![\w.])(now|clock_timestamp|statement_timestamp)\(\)|\bCURRENT_TIME")


def clock(source: Source) -> Iterator[int]:
    """The time of day read in Python."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in _CLOCKS:
                yield node.lineno


def sql_clock(source: Source) -> Iterator[int]:
    """The machine's time read in SQL: business time is ``foundation.handsel_now()``."""
    yield from (line for line, text in _strings(source.tree) if _SQL_CLOCK.search(text))


_LEDGER = re.compile(
    r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE)\s+money\.(accounts|transfers|holds)\b", re.I
)


def ledger_writes(source: Source) -> Iterator[int]:
    """Writing a ledger table from elsewhere."""
    yield from (line for line, text in _strings(source.tree) if _LEDGER.search(text))


def floats(source: Source) -> Iterator[int]:
    """A float near money: a literal, the type, or a true division."""
    for node in ast.walk(source.tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_type = isinstance(node, ast.Name) and node.id == "float"
        is_division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if (is_literal or is_type or is_division) and isinstance(node, ast.expr):
            yield node.lineno


LONGEST_FILE, LONGEST_FUNCTION = 400, 70


def length(source: Source) -> Iterator[int]:
    """A file or a function that has outgrown its reader."""
    if len(source.lines) > LONGEST_FILE:
        yield len(source.lines)
    for node in ast.walk(source.tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION:
            yield node.lineno


_FRONT_HTTP = ("src/handsel/foundation/http/", "src/handsel/front/")
_OWN_TRANSACTIONS = ("src/handsel/foundation/db/", "src/handsel/migrations/")
#: Leases, retries, pruning and rate limits are about the machine's time: a moved sandbox clock
#: neither frees space nor makes a worker look dead.
_MACHINE_TIME = tuple(
    f"src/handsel/foundation/{room}/" for room in ("jobs", "outbox", "idempotency")
)

RULES = (
    Rule("litestar", litestar, excepted=_FRONT_HTTP),
    Rule("commits", commits, excepted=_OWN_TRANSACTIONS),
    Rule("clock", clock, excepted=("src/handsel/foundation/core/clock.py",)),
    Rule("sql-clock", sql_clock, excepted=_MACHINE_TIME),
    Rule("ledger-writes", ledger_writes, excepted=("src/handsel/money/ledger/",)),
    Rule("floats", floats, ("src/handsel/money/", "src/handsel/foundation/core/money.py")),
    Rule("length", length),
)
