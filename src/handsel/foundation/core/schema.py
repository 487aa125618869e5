"""The two base structs of the API: what comes in is closed, what goes out is frozen."""

from typing import dataclass_transform

import msgspec


# The decorator tells type checkers what a subclass inherits: it is frozen and keyword-only.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body: an unknown field is an error, so that a typo never does nothing in silence."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. Clients must ignore fields that they do not know."""
