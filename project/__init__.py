"""Processes: settings, embedded engines, the supervisor, the ASGI application."""
