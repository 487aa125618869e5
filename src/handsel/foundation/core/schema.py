"""The two base structs of the API: what comes in is closed, what goes out is frozen."""

from typing import Any, dataclass_transform

import msgspec


# The decorator tells type checkers what a subclass inherits: it is frozen and keyword-only.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _KeywordOnly(msgspec.StructMeta):
    """msgspec inherits ``frozen`` but not ``kw_only``; here both are."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> "_KeywordOnly":
        options.setdefault("kw_only", True)
        return super().__new__(mcls, name, bases, namespace, **options)


class Input(msgspec.Struct, metaclass=_KeywordOnly, frozen=True, forbid_unknown_fields=True):
    """A request body: an unknown field is an error, so a typo never does nothing in silence."""


class View(msgspec.Struct, metaclass=_KeywordOnly, frozen=True):
    """An answer. Clients must ignore fields that they do not know."""
