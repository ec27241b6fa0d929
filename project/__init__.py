"""Processes: settings, engines, the supervisor, the ASGI application."""
