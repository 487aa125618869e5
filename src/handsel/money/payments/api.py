"""The wallet: balances, statement, top-ups, payout methods, withdrawals."""

from datetime import date
from typing import Annotated

from litestar import Controller, Response, delete, get, post, put
from litestar.datastructures import CacheControlHeader
from litestar.params import QueryParameter
from litestar.response import Stream

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.money.ledger import statement
from handsel.money.ledger.schemas import StatementPage
from handsel.money.ledger.service import Account
from handsel.money.payments import (
    card_refunds,
    methods,
    schedule,
    service,
    top_ups,
    withdrawals,
)
from handsel.money.payments.schemas import (
    CardRefundInput,
    CardRefundPage,
    CardRefundView,
    PayoutMethodInput,
    PayoutMethodPage,
    PayoutMethodView,
    PayoutScheduleInput,
    PayoutSchedules,
    ScheduleView,
    TopUpInput,
    TopUpView,
    WalletView,
    WithdrawalInput,
    WithdrawalView,
)

CurrencyParam = Annotated[str, QueryParameter(pattern="^[A-Z]{3}$", description="ISO 4217")]
_PRIVATE = CacheControlHeader(no_store=True)
PageSize = Annotated[int, QueryParameter(ge=1, le=200)]
FirstDay = Annotated[date | None, QueryParameter(name="from", description="The first day (UTC).")]
LastDay = Annotated[date | None, QueryParameter(description="The last day (UTC), included.")]


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
    async def read_statement(
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
            return await statement.page(conn, account, secret, cursor, page_size, service.REFERS_TO)

    @get(
        "/statement.csv",
        media_type="text/csv",
        operation_id="get_wallet_statement_csv",
        responses=documented(400, 401, 422),
    )
    async def export_statement(
        self,
        principal: Principal,
        database: Database,
        currency: CurrencyParam,
        first: FirstDay = None,
        until: LastDay = None,
    ) -> Stream:
        """The same as a CSV file, oldest first, amounts in minor units and as decimals."""
        account = Account("wallet", principal.member_id, currency)
        days = first or date.min, until or date.max
        return Stream(
            statement.as_csv(database, account, *days, service.REFERS_TO),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="statement-{currency}.csv"'},
        )

    @post("/top-ups", status_code=202, responses=documented(400, 401, 403, 409, 422, 503))
    async def top_up(
        self, data: TopUpInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[TopUpView]:
        """Put money into the wallet. Poll the answer's Location until it is no longer pending."""
        return await work.run(lambda tx: top_ups.start(tx, settings, principal, data), status=202)

    @get("/top-ups/{top_up:str}", responses=documented(401, 404))
    async def read_top_up(self, top_up: str, principal: Principal, database: Database) -> TopUpView:
        """One of your top-ups."""
        async with database.reading() as conn:
            return await top_ups.read(conn, principal, top_up)

    @post("/withdrawals", status_code=202, responses=documented(400, 401, 403, 404, 409, 422, 503))
    async def withdraw(
        self, data: WithdrawalInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[WithdrawalView]:
        """Send money to one of your payout methods."""
        return await work.run(
            lambda tx: withdrawals.start(tx, settings, principal, data), status=202
        )

    @get("/withdrawals/{withdrawal:str}", responses=documented(401, 404))
    async def read_withdrawal(
        self, withdrawal: str, principal: Principal, database: Database
    ) -> WithdrawalView:
        """One of your withdrawals."""
        async with database.reading() as conn:
            return await withdrawals.read(conn, principal, withdrawal)

    @post("/card-refunds", status_code=202, responses=documented(400, 401, 403, 409, 422, 503))
    async def refund_cards(
        self, data: CardRefundInput, principal: Principal, settings: Settings, work: Work
    ) -> Response[CardRefundPage]:
        """Send money that came by card back to its cards, the newest top-ups first."""
        return await work.run(
            lambda tx: card_refunds.start(tx, settings, principal, data), status=202
        )

    @get("/card-refunds", responses=documented(400, 401, 422))
    async def list_card_refunds(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> CardRefundPage:
        """Your card refunds, newest first."""
        secret = settings.secret_bytes()
        async with database.reading() as conn:
            return await card_refunds.own(conn, secret, principal, cursor, page_size)

    @get("/card-refunds/{card_refund:str}", responses=documented(401, 404))
    async def read_card_refund(
        self, card_refund: str, principal: Principal, database: Database
    ) -> CardRefundView:
        """One of your card refunds."""
        async with database.reading() as conn:
            return await card_refunds.read(conn, principal, card_refund)

    @get("/payout-schedule", responses=documented(401))
    async def read_schedule(self, principal: Principal, database: Database) -> PayoutSchedules:
        """When your money goes to your bank by itself."""
        async with database.reading() as conn:
            return await schedule.own(conn, principal)

    @put("/payout-schedule", responses=documented(400, 401, 422))
    async def change_schedule(
        self, data: PayoutScheduleInput, principal: Principal, free_work: Work
    ) -> Response[ScheduleView]:
        """Have your withdrawable money of a currency paid out daily, weekly, or by hand."""
        return await free_work.run(lambda tx: schedule.change(tx, principal, data))


class PayoutMethodController(Controller):
    """Where withdrawn money goes."""

    path = "/v1/payout-methods"
    tags = ("money",)

    @get(responses=documented(401))
    async def list_own(self, principal: Principal, database: Database) -> PayoutMethodPage:
        """Your payout methods."""
        async with database.reading() as conn:
            return await methods.own(conn, principal)

    @post(responses=documented(400, 401, 403, 409, 413, 422, 429), cache_control=_PRIVATE)
    async def add(
        self, data: PayoutMethodInput, principal: Principal, database: Database
    ) -> PayoutMethodView:
        """Add a bank account by its token, with your password. The first can be used at once.

        Takes no Idempotency-Key, since what is kept with a key must not tell of a password; added
        twice, the second is refused with the id of the first.
        """
        return await database.run(lambda tx: methods.add(tx, principal, data))

    @post(
        "/{payout_method:str}/default",
        status_code=200,
        responses=documented(401, 403, 404, 409, 422),
    )
    async def make_default(
        self, payout_method: str, principal: Principal, free_work: Work
    ) -> Response[PayoutMethodView]:
        """Have scheduled payouts go here."""
        return await free_work.run(lambda tx: methods.make_default(tx, principal, payout_method))

    @delete("/{payout_method:str}", responses=documented(401, 404))
    async def remove(self, payout_method: str, principal: Principal, database: Database) -> None:
        """Remove a payout method at once. What was not sent there yet comes back."""
        await database.run(lambda tx: methods.remove(tx, principal, payout_method))
