"""When a challenger may take over, and where the files of all models are kept.

Pure but for the shelf: `gates` judges a challenger against its champion on the same matured rows,
`selftests` asks the model itself, `policy` reads `registry.toml`, `share` says who is in a canary,
`shelf` keeps bundles by id and finds out who changed one. Who serves, and who approved it, is kept
by the house that runs the models.
"""
