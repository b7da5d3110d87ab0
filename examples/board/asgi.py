"""The board as ``examples.board.asgi:app``, for uvicorn, hypercorn, granian and their like.

The environment variable ``BOARD_DATABASE`` names the SQLite file; without it the file is the
same as on the command line.
"""

import os

from . import create_app
from .storage import default_database

__all__ = ["app"]

app = create_app(os.environ.get("BOARD_DATABASE") or default_database())
