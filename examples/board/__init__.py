"""A small paste-and-upload board: pages, a form with a file, a JSON API, a streamed export.

Start it with ``python -m examples.board``, or give ``examples.board.asgi:app`` to an ASGI host.
Whoever reaches it may read, post and delete: it knows no users.
"""

from .application import create_app

__all__ = ["create_app"]
