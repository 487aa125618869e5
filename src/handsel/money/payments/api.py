"""The wallet: balances, statement, top-ups, payout methods, withdrawals."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.money.ledger import queries as ledger
from handsel.money.ledger.schemas import StatementPage
from handsel.money.ledger.service import Account
from handsel.money.payments import service
from handsel.money.payments.schemas import (
    PayoutMethodInput,
    PayoutMethodPage,
    PayoutMethodView,
    TopUpInput,
    TopUpView,
    WalletView,
    WithdrawalInput,
    WithdrawalView,
)

CurrencyParam = Annotated[str, QueryParameter(pattern="^[A-Z]{3}$", description="ISO 4217")]
PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class WalletController(Controller):
    """Your money: what you may spend, what waits, what is held."""

    path = "/v1/wallet"
    tags = ("money",)

    @get(responses=documented(401))
    async def read(self, principal: Principal, database: Database) -> WalletView:
        """Balances by currency."""
        async with database.reading() as conn:
            return await service.wallet(conn, principal)

    @get("/statement", responses=documented(400, 401, 422))
    async def statement(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        currency: CurrencyParam,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> StatementPage:
        """Every transfer of the wallet in one currency, newest first, with the running balance."""
        account = Account("wallet", principal.member_id, currency)
        secret = settings.secret_bytes()
        async with database.reading() as conn:
            return await ledger.statement(
                conn, account, secret, cursor, page_size, service.REFERS_TO
            )

    @post("/top-ups", status_code=202, responses=documented(400, 401, 409, 422, 503))
    async def top_up(
        self, data: TopUpInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[TopUpView]:
        """Put money into the wallet. Poll the answer's Location until it is no longer pending."""
        return await work.run(
            lambda tx: service.start_top_up(tx, settings, principal, data), status=202
        )

    @get("/top-ups/{top_up:str}", responses=documented(401, 404))
    async def read_top_up(self, top_up: str, principal: Principal, database: Database) -> TopUpView:
        """One of your top-ups."""
        async with database.reading() as conn:
            return await service.read_top_up(conn, principal, top_up)

    @post("/withdrawals", status_code=202, responses=documented(400, 401, 403, 409, 422, 503))
    async def withdraw(
        self, data: WithdrawalInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[WithdrawalView]:
        """Send money to one of your payout methods."""
        return await work.run(
            lambda tx: service.start_withdrawal(tx, settings, principal, data), status=202
        )

    @get("/withdrawals/{withdrawal:str}", responses=documented(401, 404))
    async def read_withdrawal(
        self, withdrawal: str, principal: Principal, database: Database
    ) -> WithdrawalView:
        """One of your withdrawals."""
        async with database.reading() as conn:
            return await service.read_withdrawal(conn, principal, withdrawal)


class PayoutMethodController(Controller):
    """Where withdrawn money goes."""

    path = "/v1/payout-methods"
    tags = ("money",)

    @get(responses=documented(401))
    async def list_own(self, principal: Principal, database: Database) -> PayoutMethodPage:
        """Your payout methods."""
        async with database.reading() as conn:
            return await service.payout_methods(conn, principal)

    @post(responses=documented(400, 401, 409, 422))
    async def add(
        self, data: PayoutMethodInput, principal: Principal, work: Work
    ) -> Response[PayoutMethodView]:
        """Add a bank account by its token."""
        return await work.run(lambda tx: service.add_payout_method(tx, principal, data), status=201)
