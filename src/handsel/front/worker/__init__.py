"""The worker process: it relays events, runs jobs, and makes the moves whose time has come.

``subscriptions`` is the one table of who hears what. Calls go down as code; events rise to here,
and the handlers call down.
"""
