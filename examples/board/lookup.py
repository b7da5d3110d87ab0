"""What the address of a request names: a paste, or a page of the list."""

from bascule import web

from .pastes import Paste
from .storage import STORAGE

__all__ = ["find_paste", "page_number", "paste_id"]

# More digits than an id of SQLite (19) or an int of Python (4300) can have are no number.
_MAX_DIGITS = 15


async def find_paste(request: web.Request) -> Paste:
    """Return the paste that the path names.

    Raises:
        HTTPNotFound: there is none.
    """
    paste = await request.app[STORAGE].get(paste_id(request))
    if paste is None:
        raise web.HTTPNotFound(text="There is no such paste.")
    return paste


def paste_id(request: web.Request) -> int:
    """Return the id in the path, or 0, which no paste has, when it is beyond bounds."""
    return _parse_number(request.match_info["id"]) or 0


def page_number(request: web.Request) -> int:
    """Return the page in the query; without one, or when it is no number, the first."""
    return _parse_number(request.query.get("page", "")) or 1


def _parse_number(digits: str) -> int | None:
    return int(digits) if digits.isdecimal() and len(digits) <= _MAX_DIGITS else None
