"""What a trained score is shown as: one HTML page for people who decide, and a model card.

`runs` turns models and a town into `ScoreRun`s; `findings` computes all figures once; `verdict`
holds them against the bounds; `page` and `card` only write them down. Nothing that the API or the
worker loads may import this package: `canvas` needs matplotlib (extra `train`).
"""
