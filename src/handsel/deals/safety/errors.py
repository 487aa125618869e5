"""Why an appointment was not shared or a check-in not noted. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid


class AppointmentOver(Conflict):
    """This is possible until a day after the order is due"""

    code = "appointment_over"


class NotAppointedYet(Conflict):
    """Nothing is agreed yet: the order is not paid"""

    code = "not_appointed_yet"


class TooManyShares(Conflict):
    """You share this order with ten people already; revoke one first"""

    code = "too_many_shares"


class ContactIsParty(Invalid):
    """Share it with somebody who is not a party of the order"""

    code = "contact_is_party"
    stored = True


class AlarmElsewhere(Conflict):
    """Somebody else has this alarm in hand, or it is closed"""

    code = "alarm_elsewhere"
