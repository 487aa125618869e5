"""Two credit scores out of facts: financial and social, 350 to 950, with a band and reasons.

Owns the vocabulary of facts (`contract`), the one definition of every feature (`tallies`,
`features`), the simulator whose town trains the shipped models (`simulate`), training and
calibration (`train`) and serving (`serve`). Imports nothing of `handsel`; whoever serves it
stores facts and score snapshots and calls `serve.assess`.

Invariants: a feature as of a moment uses only facts known strictly before it; the financial
model never sees a social or graph feature, neither model a protected attribute; a model is
text with a hash, never a pickle; without enough history there is no number.
"""
