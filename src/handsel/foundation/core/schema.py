"""The two base structs of the API: what comes in is closed, what goes out is frozen."""

import msgspec


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body: an unknown field is an error, so that a typo never does nothing in silence."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. Clients must ignore fields that they do not know."""
