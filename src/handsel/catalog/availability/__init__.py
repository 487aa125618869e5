"""When a listing can be had, and who has it when.

Owns ``catalog.availability`` (hours as the clock on the wall shows them, in the listing's zone),
``catalog.units`` (what is booked: each of three bicycles is a row), ``catalog.bookings``, and the
calendars that come in and go out. What holds here: a unit is never booked twice at one time,
buffers included, which a constraint of the database sees to; a booking keeps its time when the
hours change; it ends with its order and by nothing else. Orders call ``service.reserve``,
``confirm``, ``release`` and ``move``; a listing without availability is not booked by time.
"""
