"""Orders: what two members agreed, whose money is held, and whose move it is.

Owns the order row, its timers and its timeline; the process files beside this one say what may
happen, escrow moves the money, trust decides how much may move. Terms are frozen at sale by hash.
Every funded order has a live timer: nobody's money waits on a silent party.
"""
