"""The HTTP API: the app factory, middleware, health, the API page."""
