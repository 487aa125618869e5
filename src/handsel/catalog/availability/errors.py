"""What can be wrong with hours, a slot, a calendar."""

from handsel.foundation.core.errors import Conflict, Invalid, NotFound
from handsel.foundation.db.errors import on_constraint


class NoAvailability(NotFound):
    """This listing is not booked by time"""

    code = "no_availability"


class OverlappingAvailability(Invalid):
    """Two opening times of one day overlap"""

    code = "overlapping_availability"


class EndBeforeStart(Invalid):
    """It ends before it starts"""

    code = "end_before_start"
    stored = True


class InvalidAvailability(Invalid):
    """These rules contradict each other"""

    code = "invalid_availability"


class RangeTooLong(Invalid):
    """Free times are shown for 92 days at most"""

    code = "range_too_long"


class SlotNotOffered(Conflict):
    """The listing is not offered at that time"""

    code = "slot_not_offered"


class SlotTooSoon(SlotNotOffered):
    """This is too late to book that time"""

    code = "slot_too_soon"


class SlotTooFar(SlotNotOffered):
    """That time cannot be booked yet"""

    code = "slot_too_far"


class SlotGone(Conflict):
    """Somebody else has that time"""

    code = "slot_gone"


class AlreadyBooked(Conflict):
    """The order holds a time already"""

    code = "already_booked"


class NothingBooked(Conflict):
    """The order holds no time"""

    code = "nothing_booked"


class MalformedCalendar(Invalid):
    """This is no iCalendar text that can be read"""

    code = "malformed_calendar"


class CalendarTooLarge(Invalid):
    """There is more in this calendar than we take"""

    code = "calendar_too_large"


class RecurrenceNotSupported(Invalid):
    """An event of this calendar repeats in a way that we cannot follow"""

    code = "recurrence_not_supported"


on_constraint("bookings_one_at_a_time", SlotGone)
