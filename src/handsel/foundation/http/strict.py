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

_AT = re.compile(r"(?P<message>.*) - at `\$(?P<path>.*)`$", re.DOTALL)


class StrictRequest(Request[Any, Any, State]):
    """The request class of the API."""

    async def json(self) -> Any:
        """The body as the handler's ``data`` type. Raises 400 for what is no JSON, 422 for JSON
        that does not fit."""
        field = self.route_handler.parsed_data_field
        if field is None:
            return await super().json()
        body = await self.body()
        if not body:
            raise ValidationException(extra=[_item("a JSON body is required")])
        try:
            return msgspec.json.decode(body, type=field.annotation)
        except msgspec.ValidationError as error:
            raise ValidationException(extra=[_item(str(error))]) from error
        except msgspec.DecodeError as error:
            raise ClientException(str(error)) from error


def _item(text: str) -> dict[str, str]:
    """msgspec's ``… - at `$.a[0].b` `` as key ``a.0.b`` and message."""
    match = _AT.match(text)
    if match is None:
        return {"message": text, "key": "", "source": "body"}
    path = match["path"].replace("[", ".").replace("]", "").strip(".")
    return {"message": match["message"], "key": path, "source": "body"}
