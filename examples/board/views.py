"""What a browser sees: pages, the form, downloads and the export."""

import csv
import io
from pathlib import Path
from urllib.parse import urlsplit

from bascule import web

from .drafts import draft_from_form
from .filenames import attachment_disposition
from .lookup import find_paste, page_number, paste_id
from .middlewares import SECURITY_HEADERS
from .pages import index_page, paste_page
from .storage import STORAGE

__all__ = ["routes"]

routes = web.RouteTableDef()

# OWASP, "CSV Injection".
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_STYLESHEET = Path(__file__).with_name("style.css").read_text("utf-8")


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    """Show the form and a page of the newest pastes."""
    return _html(index_page(await request.app[STORAGE].page(page_number(request))))


@routes.post("/pastes")
async def submit(request: web.Request) -> web.Response:
    """Store what the form sent and lead to its page."""
    _require_same_origin(request)
    new_id = await request.app[STORAGE].add(await draft_from_form(request))
    raise web.HTTPSeeOther(f"/pastes/{new_id}")


@routes.get(r"/pastes/{id:\d+}")
async def show(request: web.Request) -> web.Response:
    """Show one paste."""
    return _html(paste_page(await find_paste(request)))


@routes.get(r"/pastes/{id:\d+}/raw")
async def show_raw(request: web.Request) -> web.Response:
    """Answer with the text of a paste alone."""
    return web.Response(text=(await find_paste(request)).text, content_type="text/plain")


@routes.get(r"/pastes/{id:\d+}/file")
async def download(request: web.Request) -> web.Response:
    """Answer with the file of a paste, always as a download so that it never runs here."""
    file = await request.app[STORAGE].get_attachment(paste_id(request))
    if file is None:
        raise web.HTTPNotFound(text="There is no such file.")
    return web.Response(
        body=file.content,
        content_type="application/octet-stream",
        headers={"Content-Disposition": attachment_disposition(file.name)},
    )


@routes.get("/export.csv")
async def export(request: web.Request) -> web.StreamResponse:
    """Stream all pastes, a row at a time, at the pace of the client."""
    response = web.StreamResponse(
        headers={
            **SECURITY_HEADERS,
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": attachment_disposition("pastes.csv"),
        }
    )
    await response.prepare(request)
    if request.method == "HEAD":
        return response  # aiohttp 3.14 would send the rows as a body that HEAD must not have.
    await response.write(_csv_row("id", "created", "title", "text", "file"))
    async for paste in request.app[STORAGE].export():
        file_name = paste.file_name or ""
        await response.write(
            _csv_row(str(paste.id), paste.created, paste.title, paste.text, file_name)
        )
    await response.write_eof()
    return response


@routes.get("/style.css")
async def stylesheet(request: web.Request) -> web.Response:
    """Answer with the stylesheet of all pages."""
    headers = {"Cache-Control": "max-age=3600"}
    return web.Response(text=_STYLESHEET, content_type="text/css", headers=headers)


def _html(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html")


def _require_same_origin(request: web.Request) -> None:
    """Refuse a form that a page of another site has sent (its Origin tells)."""
    origin = request.headers.get("Origin")
    if origin is None:
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if host.lower() != request.host.lower():
        raise web.HTTPForbidden(text="The form came from another site.")


def _csv_row(*cells: str) -> bytes:
    """Dump a row (RFC 4180); what a spreadsheet would run as a formula becomes a text."""
    row = io.StringIO()
    csv.writer(row).writerow(
        f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells
    )
    return row.getvalue().encode()
