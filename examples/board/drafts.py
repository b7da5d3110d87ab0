"""What a client may post: drafts read from a form or from JSON, and their limits."""

import asyncio
import re

from bascule import web

from .filenames import clean_file_name
from .pastes import Attachment, Draft

__all__ = [
    "MAX_FILE_SIZE",
    "MAX_TEXT_SIZE",
    "MAX_TITLE_LENGTH",
    "draft_from_form",
    "draft_from_json",
]

MAX_TITLE_LENGTH = 200
MAX_TEXT_SIZE = 256 * 1024
MAX_FILE_SIZE = 1024 * 1024

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


async def draft_from_form(request: web.Request) -> Draft:
    """Read a draft from the fields ``title``, ``text`` and ``file`` of a form.

    Raises:
        HTTPBadRequest: the form is malformed.
        HTTPRequestEntityTooLarge: the form, or the file in it, is too large.
        HTTPUnprocessableEntity: a field is missing or not as it should be.
    """
    try:
        form = await request.post()
    except ValueError:
        raise web.HTTPBadRequest(text="The form is malformed.") from None
    # Without a chosen file, browsers send a part with an empty name: that is no FileField.
    file = form.get("file")
    attachment = await _read_attachment(file) if isinstance(file, web.FileField) else None
    title, text = _parse_title(form.get("title")), _parse_text(form.get("text", ""))
    if not text and attachment is None:
        raise web.HTTPUnprocessableEntity(text="Write a text or choose a file.")
    return Draft(title, text, attachment)


async def draft_from_json(request: web.Request) -> Draft:
    """Read a draft from an object with the members ``title`` and ``text``.

    Raises:
        HTTPBadRequest: the body is not a JSON object.
        HTTPRequestEntityTooLarge: the body is too large.
        HTTPUnprocessableEntity: a member is missing or not as it should be.
    """
    # A page of another origin cannot send this type without asking first (CORS).
    if request.content_type != "application/json":
        raise web.HTTPBadRequest(text="The content type must be application/json.")
    try:
        document = await request.json()
    except (ValueError, LookupError, RecursionError):
        # Not JSON, not in a charset we know, or nested beyond reason.
        raise web.HTTPBadRequest(text="The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text="The body must be a JSON object.")
    title, text = _parse_title(document.get("title")), _parse_text(document.get("text"))
    if not text:
        raise web.HTTPUnprocessableEntity(text="The text must not be empty.")
    return Draft(title, text)


async def _read_attachment(field: web.FileField) -> Attachment:
    content = await asyncio.to_thread(field.file.read, MAX_FILE_SIZE + 1)
    if len(content) > MAX_FILE_SIZE:
        raise web.HTTPRequestEntityTooLarge(
            max_size=MAX_FILE_SIZE,
            actual_size=len(content),
            text=f"The file is larger than {MAX_FILE_SIZE // 1024**2} MiB.",
        )
    return Attachment(clean_file_name(field.filename), content)


def _parse_title(value: object) -> str:
    title = " ".join(_CONTROLS.sub(" ", _parse_string("title", value)).split())
    if not 0 < len(title) <= MAX_TITLE_LENGTH:
        raise web.HTTPUnprocessableEntity(
            text=f"The title must have 1 to {MAX_TITLE_LENGTH} characters, not {len(title)}."
        )
    return title


def _parse_text(value: object) -> str:
    text = _parse_string("text", value).replace("\r\n", "\n")
    if len(text.encode()) > MAX_TEXT_SIZE:
        raise web.HTTPUnprocessableEntity(
            text=f"The text is larger than {MAX_TEXT_SIZE // 1024} KiB."
        )
    return "" if text.isspace() else text


def _parse_string(name: str, value: object) -> str:
    if not isinstance(value, str):
        found = "missing" if value is None else "not a text"
        raise web.HTTPUnprocessableEntity(text=f"The {name} is {found}.")
    # JSON can spell half a surrogate pair, which neither UTF-8 nor SQLite can hold.
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise web.HTTPUnprocessableEntity(text=f"The {name} is not valid Unicode.")
    return value
