"""A chat with rooms: WebSockets, a page for browsers, and a history in SQLite."""

from .application import create_app

__all__ = ["create_app"]
