"""The application for Flask, which is a WSGI one."""

from collections.abc import Iterator
from typing import Any

from flask import Flask, request, url_for

import bascule


def make(log: list[str]) -> Any:
    app = Flask(__name__)

    @app.post("/json")
    def add() -> dict[str, Any]:
        numbers = request.get_json()
        return {"sum": numbers["a"] + numbers["b"], "left": "state", "url": url_for("add")}

    @app.post("/upload")
    def upload() -> list[Any]:
        file = request.files["file"]
        return [file.filename, len(file.read())]

    @app.get("/stream")
    def stream() -> Any:
        def lines() -> Iterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number

        return lines(), 200, {"Content-Type": "text/plain"}

    return bascule.wsgi(app)
