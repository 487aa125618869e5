"""Safety around an appointment: who else knows of it, who has come and gone, and a silent alarm.

Owns ``deals.order_shares``, ``deals.arrivals``, ``deals.alarms``. What holds here: nobody but its
maker learns of a share or an alarm, not by a view, a notice, a timeline or the order's version; an
alarm is answered exactly as a check-in is, and is never refused to a party of the order. Whoever
holds a link sees who, what and when, and never money. The check-in that proves presence by a code
is the order process's (transition ``check_in``); this one is for one's own safety and moves
nothing.
"""
