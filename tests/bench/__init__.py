"""`make bench`: what we do, divided by a fixed baseline measured in the same minute.

A ratio survives a busy machine better than a rate does: baseline and ours take turns, five rounds,
on one server with fsync on, and the median of the ratios is reported.
"""
