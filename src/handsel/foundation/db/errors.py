"""From what PostgreSQL says to what the client is told. What is unknown here stays an error."""

import asyncpg

from handsel.foundation.core.errors import Busy, Invalid, Problem

#: The class of SQLSTATE in which our own functions refuse: MESSAGE is the problem's code.
_OURS = "HS"
_RETRY = ("40001", "40P01")
#: PostgreSQL 18 may trip over its own lock of a row that several sessions want to update while
#: others hold a key share of it: an internal error, once in some 100,000 commands of the soak. Its
#: transaction is undone like any other.
_TRIPPED = "new multixact has more than one updating member"
_constraints: dict[str, type[Problem]] = {}


class InvalidText(Invalid):
    """A text has characters that cannot be stored"""

    code = "invalid_text"


def on_constraint(name: str, problem: type[Problem]) -> None:
    """A violation of the named constraint means this problem. Called by a domain's ``errors``."""
    _constraints[name] = problem


def is_retryable(error: BaseException) -> bool:
    """A deadlock or a serialisation failure: nothing happened, the whole request may run again."""
    if not isinstance(error, asyncpg.PostgresError):
        return False
    return error.sqlstate in _RETRY or str(error).startswith(_TRIPPED)


def translate(error: asyncpg.PostgresError) -> Problem | None:
    """The problem behind a database error, or None where there is no honest translation."""
    state = error.sqlstate or ""
    if state.startswith(_OURS):
        problem = Problem.registry().get(str(error.args[0]))
        return problem(getattr(error, "detail", None) or "") if problem else None
    constraint = getattr(error, "constraint_name", None)
    if constraint in _constraints:
        return _constraints[constraint]()
    if state == "22021" or state == "22P05":
        return InvalidText("a text holds a NUL or another character that cannot be stored")
    if is_retryable(error) or state in ("55P03", "57014", "53300"):
        return Busy()
    return None
