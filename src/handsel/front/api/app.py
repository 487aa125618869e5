"""The app factory: the explicit table of controllers and what every handler may ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Controller, Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from handsel.catalog.availability.api import AvailabilityController, CalendarController
from handsel.catalog.listings.api import CategoryController, ListingController, StorefrontController
from handsel.catalog.search.api import SearchController
from handsel.deals.disputes.api import DisputeController, DisputeDeskController
from handsel.deals.orders.api import OrderController
from handsel.deals.orders.negotiated.api import QuoteController
from handsel.deals.orders.pay_here.api import PayCodeController
from handsel.deals.orders.rental.api import RentalController
from handsel.deals.orders.series.api import SeriesController
from handsel.deals.orders.time_credit.api import TimeCreditController
from handsel.deals.orders.transfer.api import TransferController
from handsel.deals.reviews.api import ReviewController
from handsel.deals.safety.api import SafetyController
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.foundation.http import problems
from handsel.foundation.http.principal import (
    Principal,
    provide_principal,
    provide_staff,
    provide_visitor,
)
from handsel.foundation.http.strict import StrictRequest
from handsel.foundation.http.work import provide_free_work, provide_work
from handsel.front.api import openapi
from handsel.front.api.credit import CreditPageController
from handsel.front.api.docs import DocsController
from handsel.front.api.health import HealthController
from handsel.front.api.metrics import Meters, MetricsController
from handsel.front.api.middleware import Observed, bind_member
from handsel.front.api.providers import GatewayController, SandboxProviderController
from handsel.front.api.sandbox import SandboxController
from handsel.front.web.assets import WebController
from handsel.money.escrow.api import FeeController
from handsel.money.escrow.chargebacks.api import ChargebackController
from handsel.money.payments.api import PayoutMethodController, WalletController
from handsel.money.protection.api import ClaimController
from handsel.people.credit.api import CreditController
from handsel.people.members.api import (
    MeController,
    MemberController,
    RecoveryController,
    SandboxMessageController,
    SessionController,
)
from handsel.people.messaging.api import ConversationController
from handsel.people.trust.api import ConfirmationController, TrustController
from handsel.reach.notices.api import NoticeController

#: Every controller of the house, floor by floor.
CONTROLLERS: list[type[Controller]] = [
    # deals
    OrderController,
    TransferController,
    PayCodeController,
    RentalController,
    TimeCreditController,
    QuoteController,
    SeriesController,
    DisputeController,
    DisputeDeskController,
    ReviewController,
    SafetyController,
    # catalog
    CategoryController,
    StorefrontController,
    ListingController,
    AvailabilityController,
    CalendarController,
    SearchController,
    # money
    WalletController,
    PayoutMethodController,
    FeeController,
    GatewayController,
    SandboxProviderController,
    ChargebackController,
    ClaimController,
    # people
    MemberController,
    SessionController,
    MeController,
    RecoveryController,
    SandboxMessageController,
    ConversationController,
    CreditPageController,
    CreditController,
    TrustController,
    ConfirmationController,
    # reach
    NoticeController,
    # front
    HealthController,
    MetricsController,
    DocsController,
    SandboxController,
    WebController,
]
_MAX_BODY_BYTES = 1_000_000


def create_app(settings: Settings, database: Database | None = None, url: str = "") -> Litestar:
    """The API over a given database (tests), or over a pool that it opens on ``url`` itself."""
    state = State({"settings": settings, "meters": Meters()})
    if database is not None:
        _install(state, database)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        if database is not None:
            yield
            return
        pool = await open_pool(url, size=settings.pool_size)
        _install(app.state, Database(pool))
        yield
        await pool.close()

    app = Litestar(
        route_handlers=CONTROLLERS,
        lifespan=[lifespan],
        state=state,
        dependencies={
            "principal": Provide(provide_principal),
            "visitor": Provide(provide_visitor),
            "staff": Provide(provide_staff),
            "work": Provide(provide_work),
            "free_work": Provide(provide_free_work),
            "database": Provide(_database, sync_to_thread=False),
            "settings": Provide(_settings, sync_to_thread=False),
        },
        request_class=StrictRequest,
        exception_handlers={Exception: problems.answer},
        request_max_body_size=_MAX_BODY_BYTES,
        openapi_config=openapi.config(),
    )
    app.asgi_handler = Observed(app.asgi_handler, state.meters)
    return app


def _install(state: State, database: Database) -> None:
    from handsel.people.members.service import authenticate

    secret = state.settings.secret_bytes()

    async def look_up(token: str) -> Principal | None:
        async with database.reading() as conn:
            principal = await authenticate(conn, token)
        if principal is not None:
            bind_member(principal.member_id, secret)
        return principal

    state.database = database
    state.authenticate = look_up


def _database(request: Request[Any, Any, State]) -> Database:
    database: Database = request.app.state.database
    return database


def _settings(request: Request[Any, Any, State]) -> Settings:
    settings: Settings = request.app.state.settings
    return settings
