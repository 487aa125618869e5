"""What other rooms, the API and the desk may ask of safety."""

from handsel.deals.safety.alarms import close as close_alarm
from handsel.deals.safety.alarms import take as take_alarm
from handsel.deals.safety.alarms import tell_house
from handsel.deals.safety.arrivals import check_in, check_ins, raise_alarm
from handsel.deals.safety.queries import contacts_of, waiting_alarms
from handsel.deals.safety.sharing import own_shares, revoke, seen, share

__all__ = [
    "check_in", "check_ins", "close_alarm", "contacts_of", "own_shares", "raise_alarm", "revoke",
    "seen", "share", "take_alarm", "tell_house", "waiting_alarms",
]  # fmt: skip
