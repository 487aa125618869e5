"""Request bodies are read strictly: ``"5"`` is not 5.

Litestar decodes JSON into plain values and converts them leniently; here the bytes go straight into
the handler's struct, which is both stricter and one pass less.
"""

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import ClientException, ValidationException

from handsel.foundation.core.cards import body_holds_card_number
from handsel.foundation.core.errors import CardNumberRefused
from handsel.foundation.http.principal import provide_principal

_AT = re.compile(r"(?P<message>.*) - at `\$(?P<path>.*)`$", re.DOTALL)


class StrictRequest(Request[Any, Any, State]):
    """The request class of the API."""

    async def json(self) -> Any:
        """The body as the handler's ``data`` type. Raises 400 for what is no JSON, 422 for JSON
        that does not fit."""
        handler = self.route_handler
        if handler.parsed_data_field is None:
            return await super().json()
        raw = await self.body()
        if body_holds_card_number(raw):
            raise CardNumberRefused
        try:
            return msgspec.json.decode(raw, type=handler.parsed_data_field.annotation)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # Bodies are read before dependencies; but who may not come in is told so first.
            if "principal" in handler.parsed_fn_signature.parameters:
                await provide_principal(self)
            if isinstance(error, msgspec.ValidationError):
                raise ValidationException(extra=[_item(str(error))]) from error
            raise ClientException(str(error)) from error


def _item(text: str) -> dict[str, str]:
    """msgspec's ``… - at `$.a[0].b` `` as key ``a.0.b`` and message."""
    match = _AT.match(text)
    if match is None:
        return {"message": text, "key": "", "source": "body"}
    path = match["path"].replace("[", ".").replace("]", "").strip(".")
    return {"message": match["message"], "key": path, "source": "body"}
