"""How Stripe is asked, and what its errors mean.

The library's own asynchronous client (httpx), one for each gateway and its event loop. It never
tries again by itself: our jobs do, for as long as it takes and with a record of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import anyio
import stripe
import structlog

from handsel.foundation.core import clock
from handsel.foundation.core.settings import Settings
from handsel.money.payments.gateway import KeyReused, ProviderUnavailable

#: What our code was written and tested against; a newer library must not change it in silence.
API_VERSION: Final = "2026-10-28.endive"
#: Metadata of what we make there: our key. It comes back with every event.
KEY: Final = "handsel_key"
_WITHIN_S = 20
#: Stripe forgets an idempotency key after a day, at the earliest.
_REMEMBERED_MS = timedelta(hours=20) // timedelta(milliseconds=1)

log = structlog.get_logger(__name__)


def transport() -> stripe.HTTPClient:
    """The library's asynchronous transport, with timeouts that fit a job."""
    return stripe.HTTPXClient(timeout=_WITHIN_S)


def connect(settings: Settings, http: stripe.HTTPClient) -> stripe.StripeClient:
    """A client of this installation's account."""
    base = settings.stripe_api_base
    return stripe.StripeClient(
        settings.stripe_secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": base} if base else None,
        max_network_retries=0,
        http_client=http,
    )


@asynccontextmanager
async def asking(within_s: int = _WITHIN_S) -> AsyncIterator[None]:
    """Around whatever asks Stripe. A definite refusal passes through as it is (``CardError``,
    ``InvalidRequestError``); whatever leaves open what has happened is ``ProviderUnavailable``."""
    try:
        with anyio.fail_after(within_s):
            yield
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.IdempotencyError as error:
        raise KeyReused(str(error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # A wrong key is ours to mend; nobody's money has failed by it.
        log.error("stripe_refuses_us", error=str(error))
        raise ProviderUnavailable("Stripe does not accept our key") from error
    except (stripe.StripeError, TimeoutError) as error:
        raise ProviderUnavailable(str(error)) from error


def once(key: UUID, what: str) -> stripe.RequestOptions:
    """Options that have Stripe act once for this key of ours."""
    return {"idempotency_key": f"handsel-{what}-{key}"}


def named(key: UUID, **more: str) -> dict[str, str]:
    """Metadata that bring our key back."""
    return {KEY: str(key), **more}


def may_be_forgotten(key: UUID) -> bool:
    """Whether Stripe may not remember an earlier request under this key: then what we made must be
    looked for before anything is made. Our keys are UUIDv7 and tell their age."""
    return key.version != 7 or clock.unix_ms() - (key.int >> 80) > _REMEMBERED_MS


def failure_of(error: stripe.CardError | stripe.InvalidRequestError) -> str:
    """A short stable word for why: Stripe's decline code where it says more than its error code."""
    said = error.error
    decline = getattr(said, "decline_code", None) if said else None
    if decline and decline != "generic_decline":
        return str(decline)
    return error.code or "refused"


def refused_reference(key: UUID) -> str:
    """A reference for what was refused before Stripe made anything of it."""
    return f"refused-{key}"
