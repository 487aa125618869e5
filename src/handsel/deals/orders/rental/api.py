"""Rentals over HTTP: one route opens them, then they are orders."""

from litestar import Controller, Response, post

from handsel.deals.orders.rental import service
from handsel.deals.orders.rental.schemas import RentalInput
from handsel.deals.orders.schemas import OrderView
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work


class RentalController(Controller):
    """Things and rooms for a time, with a deposit, hand-over and return by code."""

    path = "/v1/rentals"
    tags = ("orders",)

    @post(responses=documented(400, 401, 404, 409, 422))
    async def rent(
        self, data: RentalInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Rent what a listing offers by the hour or the day. Nothing is paid until you fund it."""
        return await work.run(lambda tx: service.rent(tx, principal, data), status=201)
