"""The public fee table."""

from litestar import Controller, get

from handsel.money.escrow.fees import FeeTable, current


class FeeController(Controller):
    """Fees are public and versioned."""

    path = "/v1/fees"
    tags = ("money",)

    @get(sync_to_thread=False)
    def read(self) -> FeeTable:
        """The fee table that orders are sold under today."""
        return current()
