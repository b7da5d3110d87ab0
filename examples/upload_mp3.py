"""An mp3 uploaded by a form and streamed to disk: `python examples/upload_mp3.py`.

Threads write it piece by piece into `$MP3_FOLDER`, or `mp3`, and nothing stays if something fails.
Open http://127.0.0.1:8080/, or try `curl -i -F mp3=@song.mp3 http://127.0.0.1:8080/`.
"""

import asyncio
import os
import re
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile

from bascule import BodyPartReader, web

FOLDER = web.AppKey("folder", Path)
MAX_SIZE = 20 * 2**20
PAGE = """<!doctype html><html lang="en"><title>Music</title>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<form method="post" enctype="multipart/form-data">
<input type="file" name="mp3" accept=".mp3" required><button>Upload</button></form><ul>{}</ul>"""


def safe_name(name: str) -> str:
    """Keep the last part of a path, and what is harmless of it."""
    base = re.sub(r"[^\w.()-]+", "_", re.split(r"[/\\]", name)[-1])[-60:].lstrip("._-")
    if not re.fullmatch(r".+\.mp3", base, re.IGNORECASE):
        raise web.HTTPUnsupportedMediaType(text="Choose a file with a name like song.mp3.\n")
    return base


def check_size(size: int, limit: int) -> None:
    if size > limit:
        text = f"A file may have {MAX_SIZE // 2**20} MiB.\n"
        raise web.HTTPRequestEntityTooLarge(MAX_SIZE, size, text=text)


async def save(part: BodyPartReader, path: Path) -> None:
    """Write to a temporary file, which gets its name once it is complete."""
    file = await asyncio.to_thread(lambda: NamedTemporaryFile(dir=path.parent, suffix=".part"))  # noqa: SIM115
    try:
        while piece := await part.read_chunk(2**18):
            check_size(file.tell() + len(piece), MAX_SIZE)
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(file.flush)
        await asyncio.to_thread(os.link, file.name, path)  # replaces nothing
    except FileExistsError:
        raise web.HTTPConflict(text=f"There is a {path.name} already.\n") from None
    finally:
        await asyncio.to_thread(file.close)  # which removes the temporary name


async def index(request: web.Request) -> web.Response:
    names = await asyncio.to_thread(os.listdir, request.app[FOLDER])
    items = (f"<li>{escape(name)}" for name in sorted(names) if not name.endswith(".part"))
    return web.Response(text=PAGE.format("".join(items)), content_type="text/html")


async def upload(request: web.Request) -> web.Response:
    check_size(request.content_length or 0, MAX_SIZE + 2**16)  # with the form
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "mp3":
                await save(part, request.app[FOLDER] / safe_name(part.filename or ""))
                raise web.HTTPSeeOther("/")
    raise web.HTTPBadRequest(text="Send a form with a file, in its field mp3.\n")


async def make_folder(app: web.Application) -> None:
    app[FOLDER].mkdir(parents=True, exist_ok=True)


app = web.Application()
app[FOLDER] = Path(os.environ.get("MP3_FOLDER", "mp3"))
app.on_startup.append(make_folder)
app.add_routes([web.get("/", index), web.post("/", upload)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
