"""What every room stands on: plain values, the database, events and jobs, the audit chain, HTTP.

Nothing here knows a business word. Everything above may use it; it uses nothing above.
"""
