"""The door for payment providers, and the sandbox provider's desk."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, Response, post
from litestar.datastructures import State

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.money import AmountMinor
from handsel.foundation.core.schema import Input, View
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.money.payments import inbox, sandbox_books, sandbox_desk
from handsel.money.payments.schemas import PositiveMoney
from handsel.money.payments.service import gateway_of


class Receipt(View):
    """That we have an event. What it means is worked out afterwards."""

    state: Literal["received", "duplicate"]


class GatewayController(Controller):
    """Where payment providers tell what has happened."""

    path = "/v1/gateways"
    tags = ("gateways",)

    @post("/{gateway:str}/webhooks", status_code=200, responses=documented(401, 404, 409, 422))
    async def receive(
        self,
        gateway: str,
        request: Request[Any, Any, State],
        settings: Settings,
        database: Database,
    ) -> Receipt:
        """Take an event in. Signed by the provider over the raw bytes, at most five minutes ago."""
        provider = gateway_of(settings, database)
        if gateway != provider.name or gateway == "absent":
            raise NotFound("there is no such payment provider here")
        headers = {name.lower(): value for name, value in request.headers.items()}
        state = await inbox.receive(database, provider, headers, await request.body())
        return Receipt(state="duplicate" if state == "duplicate" else "received")


class Confirmation(Input):
    """Whether the payer confirms the charge with their bank."""

    approve: bool = True


class DisputeInput(Input):
    """That the payer's bank takes a charge back, or a part of it."""

    amount_minor: AmountMinor | None = None
    reason: Annotated[str, msgspec.Meta(pattern="^[a-z_]{3,40}$")] = "fraudulent"


class ProviderReference(View):
    """The sandbox provider's id of something."""

    reference: str


class Verdict(Input):
    """How the bank decides; ``again`` takes the money once more after it was won."""

    outcome: Literal["won", "lost", "again"]


class Outage(Input):
    """For how many seconds the sandbox provider answers nothing."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=864_000)]


class OutageView(View):
    """Until when the sandbox provider answers nothing."""

    down_until: datetime


class SandboxProviderController(Controller):
    """What happens at the sandbox provider by itself. Only in sandbox mode."""

    path = "/v1/sandbox/provider"
    tags = ("sandbox",)

    @post("/charges/{charge:str}/confirm", status_code=200, responses=documented(404, 409, 422))
    async def confirm(
        self, charge: str, data: Confirmation, settings: Settings, free_work: Work
    ) -> Response[ProviderReference]:
        """The payer's step (3-D Secure) of a ``tok_3ds`` charge."""
        _only_in_sandbox(settings)

        async def use_case(tx: Tx) -> ProviderReference:
            await sandbox_desk.confirm_charge(tx, charge, approve=data.approve)
            return ProviderReference(reference=charge)

        return await free_work.run(use_case)

    @post("/charges/{charge:str}/dispute", status_code=201, responses=documented(404, 409, 422))
    async def dispute(
        self, charge: str, data: DisputeInput, settings: Settings, free_work: Work
    ) -> Response[ProviderReference]:
        """The payer's bank takes a charge back."""
        _only_in_sandbox(settings)

        async def use_case(tx: Tx) -> ProviderReference:
            reference = await sandbox_books.open_dispute(
                tx, charge, data.amount_minor, data.reason, tx.now
            )
            return ProviderReference(reference=reference)

        return await free_work.run(use_case, status=201)

    @post("/disputes/{dispute:str}/decide", status_code=200, responses=documented(404, 409, 422))
    async def decide(
        self, dispute: str, data: Verdict, settings: Settings, free_work: Work
    ) -> Response[ProviderReference]:
        """The bank decides a dispute, or opens its second round."""
        _only_in_sandbox(settings)

        async def use_case(tx: Tx) -> ProviderReference:
            if data.outcome == "again":
                await sandbox_desk.reopen_dispute(tx, dispute)
            else:
                verdict: sandbox_books.Verdict = (
                    "dispute.won" if data.outcome == "won" else "dispute.lost"
                )
                await sandbox_books.decide_dispute(tx, dispute, verdict, tx.now)
            return ProviderReference(reference=dispute)

        return await free_work.run(use_case)

    @post("/bank-payouts", status_code=201, responses=documented(404, 409, 422))
    async def pay_out_balance(
        self, data: PositiveMoney, settings: Settings, free_work: Work
    ) -> Response[ProviderReference]:
        """The provider pays a part of our balance out to our bank."""
        _only_in_sandbox(settings)

        async def use_case(tx: Tx) -> ProviderReference:
            reference = await sandbox_desk.pay_out_balance(tx, data.amount_minor, data.currency)
            return ProviderReference(reference=reference)

        return await free_work.run(use_case, status=201)

    @post("/outage", status_code=200, responses=documented(404, 409, 422))
    async def outage(
        self, data: Outage, settings: Settings, free_work: Work
    ) -> Response[OutageView]:
        """Let the provider be down for a while."""
        _only_in_sandbox(settings)

        async def use_case(tx: Tx) -> OutageView:
            until = tx.now + timedelta(seconds=data.seconds)
            await sandbox_desk.be_down(tx, until)
            return OutageView(down_until=until)

        return await free_work.run(use_case)


def _only_in_sandbox(settings: Settings) -> None:
    if not settings.sandbox:
        raise NotFound("there is a provider to play with only in sandbox mode")
