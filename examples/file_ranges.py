"""A recording in which a player can seek: `python examples/file_ranges.py`.

A `FileResponse` answers requests for ranges of its file, and the browser's player asks for the one
it needs. The file is `$RECORDING`, or a minute of rising tones. Open http://127.0.0.1:8080/ and
drag the slider, or try `curl -i -r 0-3 http://127.0.0.1:8080/recording -o -` (206, four bytes),
`-r -1000` (the last thousand), `-r 999999999-` (416, there is nothing), and `curl -C - -O` with the
same URL, which goes on where a download was broken off.
"""

import asyncio
import math
import os
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bascule import web

RECORDING = web.AppKey("recording", Path)
RATE = 8000  # samples a second

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A recording</title>
<audio controls src="/recording"></audio>
</html>
"""


def write_tones(path: Path, seconds: int = 60) -> None:
    """Write tones of one second, each a half-tone above the last."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, RATE, 0, "NONE", ""))  # mono, a byte each sample
        for second in range(seconds):
            step = math.tau * 55 * 2 ** (second / 12) / RATE
            file.writeframes(bytes(round(128 + 64 * math.sin(step * n)) for n in range(RATE)))


async def find_recording(app: web.Application) -> AsyncIterator[None]:
    if path := os.environ.get("RECORDING"):
        app[RECORDING] = Path(path)
        yield
        return
    with TemporaryDirectory() as folder:
        app[RECORDING] = Path(folder, "tones.wav")
        await asyncio.to_thread(write_tones, app[RECORDING])
        yield


async def index(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def play(request: web.Request) -> web.FileResponse:
    return web.FileResponse(request.app[RECORDING])


app = web.Application()
app.cleanup_ctx.append(find_recording)
app.add_routes([web.get("/", index), web.get("/recording", play)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
