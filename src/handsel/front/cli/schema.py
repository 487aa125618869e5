"""``handsel openapi``."""

import msgspec

from handsel.foundation.core.settings import Settings


def print_document(settings: Settings) -> None:
    """Print the OpenAPI document; it needs no database."""
    from handsel.front.api.app import create_app
    from handsel.front.api.openapi import document

    made = msgspec.json.encode(document(create_app(settings)))
    print(msgspec.json.format(made, indent=2).decode())
