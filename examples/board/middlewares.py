"""What is done to every answer: security fields, and errors made readable."""

from collections.abc import Awaitable, Callable

from bascule import web

from .pages import error_page

__all__ = ["SECURITY_HEADERS", "readable_errors", "security_headers"]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The pages need their stylesheet and their form, nothing else; no script runs, whatever a
# paste contains. "no-referrer" would make browsers post the form with "Origin: null".
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# These describe the body that the error came with, which is replaced.
_BODY_FIELDS = {"content-type", "content-length"}


@web.middleware
async def security_headers(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Add the security fields to every answer, redirects included.

    A stream has sent its head before it gets here, so it must bring them itself.
    """
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(SECURITY_HEADERS)
        raise
    response.headers.update(SECURITY_HEADERS)
    return response


@web.middleware
async def readable_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer errors with a page, or below ``/api`` with JSON; let redirects pass."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _render_error(request, error)


def _render_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Keep the status and the fields of `error` (Allow of a 405), replace its body."""
    message = (error.text or error.reason).removeprefix(f"{error.status}: ")
    headers = {
        name: value for name, value in error.headers.items() if name.lower() not in _BODY_FIELDS
    }
    if request.path.startswith("/api/"):
        document = {"status": error.status, "error": message}
        return web.json_response(document, status=error.status, headers=headers)
    return web.Response(
        text=error_page(error.status, message),
        status=error.status,
        headers=headers,
        content_type="text/html",
    )
