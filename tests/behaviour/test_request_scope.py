"""The ASGI scope of a request, which every host has to give."""

import json
from typing import Any

from bascule import web


async def test_the_scope_tells_of_the_request(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        scope = request.scope
        assert request.scope is scope
        names = [name for name, _ in scope["headers"] if name in (b"x-name", b"host")]
        return web.json_response(
            [
                scope["type"],
                scope["method"],
                scope["path"],
                scope["query_string"].decode(),
                scope["asgi"]["version"],
                len(names),
            ]
        )

    app = web.Application()
    app.router.add_post("/a b", handler)
    client = await serve(app)
    answer = await client.request("POST", "/a%20b?q=%C3%BC", fields={"X-Name": "v"})
    assert json.loads(answer.body) == ["http", "POST", f"{client.prefix}/a b", "q=%C3%BC", "3.0", 2]
