"""Problems: facts with a stable code, answered as RFC 9457 ``application/problem+json``.

A subclass is one problem type. Its docstring's first line is the title, ``code`` never changes once
published, and extra members travel as keyword arguments. Clients branch on ``code``.
"""

from typing import Any, ClassVar

_NEVER_STORED = (401, 403, 429)


class Problem(Exception):
    """Something went wrong"""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    #: A rejection by a rule of the business is kept with its Idempotency-Key and replayed; one that
    #: says nothing about the request's merits (busy, malformed), or that depends on who asks now
    #: (unauthenticated, forbidden), is not.
    stored: ClassVar[bool] = False
    _by_code: ClassVar[dict[str, type["Problem"]]] = {}

    def __init__(
        self, detail: str = "", *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        self.detail = detail or self.title()
        self.headers = headers or {}
        self.members = members
        super().__init__(self.detail)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        other = Problem._by_code.setdefault(cls.code, cls)
        if other is not cls and other.__qualname__ != cls.__qualname__:
            raise TypeError(f"problem code {cls.code!r} belongs to {other.__qualname__}")
        if cls.stored and (cls.status in _NEVER_STORED or cls.status >= 500):
            raise TypeError(f"an answer of {cls.status} is never kept under an Idempotency-Key")

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    @classmethod
    def registry(cls) -> dict[str, type["Problem"]]:
        """Every problem type by code, for the OpenAPI page and for errors raised inside SQL."""
        return dict(Problem._by_code)


class Malformed(Problem):
    """The request could not be read"""

    code = "malformed"
    status = 400


class IdempotencyKeyMissing(Problem):
    """This request needs an Idempotency-Key header

    Make a key of your own for each thing that you want done (a UUID, say) and send it again with
    every retry: the same key and request give the same answer and are done once.
    """

    code = "idempotency_key_missing"
    status = 400


class Unauthenticated(Problem):
    """Log in first"""

    code = "unauthenticated"
    status = 401

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **members)


class Forbidden(Problem):
    """This is not allowed for you"""

    code = "forbidden"
    status = 403


class NotFound(Problem):
    """There is nothing here"""

    code = "not_found"
    status = 404


class Conflict(Problem):
    """The present state does not allow this"""

    code = "conflict"
    status = 409
    stored = True


class IdempotencyInFlight(Problem):
    """The first request with this Idempotency-Key is still running"""

    code = "idempotency_in_flight"
    status = 409

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, headers={"Retry-After": "1"}, **members)


class Stale(Problem):
    """The object has changed since you read it"""

    code = "stale"
    status = 412


class TooLarge(Problem):
    """The request body is too large"""

    code = "too_large"
    status = 413


class Invalid(Problem):
    """The request was understood, but is wrong"""

    code = "invalid"
    status = 422


class IdempotencyKeyReused(Problem):
    """This Idempotency-Key was used for another request"""

    code = "idempotency_key_reused"
    status = 422


class PreconditionRequired(Problem):
    """This change needs an If-Match header"""

    code = "precondition_required"
    status = 428


class TooManyRequests(Problem):
    """Too many requests"""

    code = "too_many_requests"
    status = 429


class Busy(Problem):
    """The service is busy, try again with the same Idempotency-Key"""

    code = "busy"
    status = 503

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, headers={"Retry-After": "1"}, **members)


class OutcomeUnknown(Problem):
    """It is not known whether this was done, try again with the same Idempotency-Key

    The answer to the same request under the same key tells: what was done is not done again. A
    request without a key is looked up before it is sent once more.
    """

    code = "outcome_unknown"
    status = 504

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, headers={"Retry-After": "1"}, **members)


class UserError(Exception):
    """One clear sentence for the person at the command line; exit status 2, no traceback."""


class InvalidAmount(Invalid):
    """An amount must be above zero and at most 10^15 minor units"""

    code = "invalid_amount"
    stored = True


class CardNumberRefused(Invalid):
    """Card numbers are never accepted here, only tokens"""

    code = "card_number_refused"
