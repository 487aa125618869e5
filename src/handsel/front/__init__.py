"""The doors: HTTP API, web page, worker, command line."""
