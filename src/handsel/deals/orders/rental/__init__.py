"""Rentals: a thing or a room for a time, with a deposit, hand-over and return by code.

Owns the process ``rental`` and what it needs beside the orders' own: periods and their price, the
deposit as a second hold (``orders.bonds``), lateness, damage claims. What holds here: price and
deposit end in one move; no owner is paid before a hand-over that both were there for; of a deposit
nobody gets more than it holds, and a renter who contests loses none of it without a ruling.
"""

from pathlib import Path

from handsel.deals.orders.moves import Kit
from handsel.deals.orders.rental import kit

KIT = Kit(
    Path(__file__).parent,
    kit.GUARDS,
    kit.ACTIONS,
    terms=kit.TERMS,
    writes=kit.WRITES,
    stopped=kit.STOPPED,
)
