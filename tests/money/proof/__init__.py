"""The proof of the money: an auditor that shares no code with the ledger says beforehand how each
command may end and what it writes; drivers send the commands, alone and racing, and compare.
"""
