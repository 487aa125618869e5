"""Trust among members: edges, seed-rooted propagation, snapshots, and the benchmark on ratings.

Two halves. For the house: `deals` (edges out of closed, paid orders), `propagate` (personalised
PageRank), `assess` (trust, standing and reliability as of a moment). For `handsel ml
benchmark-trust`, on any file of ratings: `ratings`, `timeline` (nothing later is seen), `history`
(a member's past as a vector, weighed by who speaks), `scorer`, `peers`, `protocol`, `sybil`.

What holds here: an account that no vetted member's praise reaches, however long the way, weighs
exactly nothing; unknown is not bad; the same input gives the same numbers, in one thread.
"""
