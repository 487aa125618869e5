"""What can be wrong with a search."""

from handsel.foundation.core.errors import Invalid


class InvalidSearchQuery(Invalid):
    """The search cannot be answered as asked; ``reason`` says why"""

    code = "invalid_search"
