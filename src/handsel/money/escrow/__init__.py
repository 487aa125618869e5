"""Protected payment of orders: hold, release, refund, split, settle, and the fee table.

A policy over the ledger: it decides between which accounts an order's money moves, and that the
parts add up; the ledger moves it. An order's money lies in an account of its own. Called by deals.
"""
