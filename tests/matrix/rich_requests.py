"""Endpoints of the matrix's application about requests: what they tell, and their bodies."""

import asyncio
import hashlib
from typing import Any

from .journal import JournalRoutes

__all__ = ["RequestRoutes"]


class RequestRoutes:
    """Handlers that tell what they see of their requests.

    Args:
        web: the module that the application is made of.
        journal: where handlers write down what their clients cannot be told.
    """

    def __init__(self, web: Any, journal: JournalRoutes) -> None:
        self.web = web
        self.journal = journal

    def routes(self) -> list[Any]:
        web = self.web
        return [
            web.route("*", "/facts", self.facts),
            web.get("/facts/{name}/{tail:.*}", self.facts, allow_head=False),
            web.get("/item/{id:[0-9]+}", self.item, name="item"),
            web.get("/link", self.link),
            web.get("/путь", self.facts),
            web.get("/a b", self.facts),
            web.get("/query", self.query),
            web.get("/cookies", self.cookies),
            web.get("/fields", self.fields),
            web.get("/conditions", self.conditions),
            web.get("/task", self.task),
            web.get("/transport", self.transport),
            web.get("/transport/abort", self.abort),
            web.get("/transport/close", self.close),
            web.post("/form", self.form),
            web.post("/multipart", self.multipart),
            web.post("/json", self.json),
            web.post("/text", self.text),
            web.post("/read", self.read),
            web.post("/unread", self.unread),
            web.post("/pieces", self.pieces),
            web.post("/lines", self.lines),
            web.post("/body/{key}", self.body),
            web.post("/gated/{key}", self.gated),
            web.post("/expect", self.read, expect_handler=self.expect),
            web.view("/view", _make_view(web)),
        ]

    # -- what a head tells

    async def facts(self, request: Any) -> Any:
        peer = request.transport.get_extra_info("peername")
        return self.web.json_response(
            {
                "method": request.method,
                "path": request.path,
                "raw_path": request.raw_path,
                "path_qs": request.path_qs,
                "rel_url": str(request.rel_url),
                "url": str(request.url),
                "host": request.host,
                "scheme": request.scheme,
                "secure": request.secure,
                "remote_is_peer": request.remote == peer[0],
                "match": dict(request.match_info),
                "marks": request["marks"],
            }
        )

    async def item(self, request: Any) -> Any:
        return self.web.Response(text=f"item {request.match_info['id']}")

    async def link(self, request: Any) -> Any:
        router = request.app.router
        return self.web.json_response(
            {
                "item": str(router["item"].url_for(id="7").with_query(a="ü")),
                "static": str(router["static"].url_for(filename="hello.txt")),
                "joined": str(request.url.join(router["item"].url_for(id="8"))),
                "route": request.match_info.route.name,
                "known": sorted(router.named_resources()),
            }
        )

    async def query(self, request: Any) -> Any:
        return self.web.json_response(
            {"pairs": list(request.query.items()), "string": request.query_string}
        )

    async def cookies(self, request: Any) -> Any:
        return self.web.json_response(dict(request.cookies))

    async def fields(self, request: Any) -> Any:
        names = request.query.getall("name")
        raw = [
            (name.decode().lower(), value.decode("latin-1"))
            for name, value in request.raw_headers
            if name.decode().lower() in names
        ]
        return self.web.json_response(
            {"values": {name: request.headers.getall(name, []) for name in names}, "raw": raw}
        )

    async def conditions(self, request: Any) -> Any:
        span = request.http_range
        return self.web.json_response(
            {
                "if_modified_since": str(request.if_modified_since),
                "if_none_match": [tag.value for tag in request.if_none_match or ()],
                "if_match": [tag.is_weak for tag in request.if_match or ()],
                "range": [span.start, span.stop],
                "forwarded": [dict(each) for each in request.forwarded],
            }
        )

    async def task(self, request: Any) -> Any:
        return self.web.json_response(
            {
                "has_task": isinstance(request.task, asyncio.Task),
                "has_protocol": request.protocol is not None,
                "writer": hasattr(request.writer, "write"),
                "version_is_1_or_2": request.version.major in (1, 2),
                "keep_alive": request.keep_alive,
                "transport_is_closing": request.transport.is_closing(),
            }
        )

    async def transport(self, request: Any) -> Any:
        transport = request.transport
        peer = transport.get_extra_info("peername")
        return self.web.json_response(
            {
                "peer": [type(part).__name__ for part in peer],
                "peer_again": request.get_extra_info("peername") == peer,
                "server": [type(part).__name__ for part in transport.get_extra_info("sockname")],
                "sslcontext": transport.get_extra_info("sslcontext"),
                "peercert": transport.get_extra_info("peercert"),
                "unknown": transport.get_extra_info("unknown", "default"),
                "is_closing": transport.is_closing(),
            }
        )

    async def abort(self, request: Any) -> Any:
        request.transport.abort()
        return self.web.Response(text="not to be seen")

    async def close(self, request: Any) -> Any:
        request.transport.close()
        return self.web.Response(text="not to be seen")

    # -- bodies

    async def form(self, request: Any) -> Any:
        seen = []
        for name, value in (await request.post()).items():
            if isinstance(value, self.web.FileField):
                data = value.file.read()
                digest = hashlib.sha256(data).hexdigest()
                seen.append([name, value.filename, value.content_type, len(data), digest])
            else:
                seen.append([name, value])
        return self.web.json_response(seen)

    async def multipart(self, request: Any) -> Any:
        seen = []
        async for part in await request.multipart():
            data = await part.read(decode=True)
            seen.append([part.name, part.filename, part.headers.get("Content-Type"), len(data)])
        return self.web.json_response(seen)

    async def json(self, request: Any) -> Any:
        try:
            data = await request.json()
        except ValueError:
            raise self.web.HTTPBadRequest(text="no JSON") from None
        return self.web.json_response({"got": data})

    async def text(self, request: Any) -> Any:
        text = await request.text()
        return self.web.json_response({"charset": request.charset, "text": text})

    async def read(self, request: Any) -> Any:
        can_read, exists = request.can_read_body, request.body_exists
        data = await request.read()
        return self.web.json_response(
            {
                "exists": [can_read, exists],
                "type": request.content_type,
                "length": request.content_length,
                "size": len(data),
                "digest": hashlib.sha256(data).hexdigest(),
                "again": len(await request.read()),
                "at_end": request.content.at_eof(),
            }
        )

    async def unread(self, request: Any) -> Any:
        return self.web.Response(text="not read", status=202)

    async def pieces(self, request: Any) -> Any:
        digest, size, largest = hashlib.sha256(), 0, 0
        async for piece in request.content.iter_chunked(10_000):
            digest.update(piece)
            size += len(piece)
            largest = max(largest, len(piece))
        return self.web.json_response([size, largest <= 10_000, digest.hexdigest()])

    async def lines(self, request: Any) -> Any:
        return self.web.json_response([line.decode() async for line in request.content])

    async def body(self, request: Any) -> Any:
        """Read a body whose client may leave within it."""
        key = request.match_info["key"]
        journal = self.journal.of(request)
        journal.add(key, "begun")
        try:
            data = await request.content.readexactly(5)
            journal.add(key, f"first {data.decode()}")
            data = await request.content.read()
        except ConnectionResetError:
            journal.add(key, "reset")
            raise
        journal.add(key, f"rest {data.decode()}")
        return self.web.Response(text="whole")

    async def gated(self, request: Any) -> Any:
        """Read nothing until a client opens the gate."""
        key = request.match_info["key"]
        journal = self.journal.of(request)
        journal.add(key, "begun")
        await journal.pass_gate(key)
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        journal.add(key, "read")
        return self.web.Response(text=str(size))

    async def expect(self, request: Any) -> None:
        if request.query.get("refuse"):
            raise self.web.HTTPExpectationFailed(text="no room")
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _make_view(web: Any) -> Any:
    class View(web.View):  # type: ignore[misc]  # of either module
        """Answers by methods that are named after those of HTTP."""

        async def get(self) -> Any:
            return web.Response(text=f"got {self.request.query_string}")

        async def post(self) -> Any:
            return web.Response(text=f"posted {await self.request.text()}", status=201)

    return View
