"""What can be refused here."""

from handsel.foundation.core.errors import Invalid


class TalkingToYourself(Invalid):
    """A conversation needs somebody else"""

    code = "talking_to_yourself"
