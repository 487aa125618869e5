"""Plain values and rules: money, ids, time, errors, settings, paging. No I/O."""
