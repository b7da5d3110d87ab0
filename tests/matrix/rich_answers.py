"""Endpoints of the matrix's application about answers that are made at once."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from typing import Any

from .journal import JournalRoutes

__all__ = ["AnswerRoutes"]


class AnswerRoutes:
    """Handlers that make answers of all shapes.

    Args:
        web: the module that the application is made of.
        journal: where handlers write down what their clients cannot be told.
    """

    def __init__(self, web: Any, journal: JournalRoutes) -> None:
        self.web = web
        self.journal = journal
        self.kept: Any = None

    def routes(self) -> list[Any]:
        web = self.web
        return [
            web.get("/", self.text, name="root"),
            web.get("/answer/text", self.text),
            web.get("/answer/json", self.json),
            web.get("/answer/bytes", self.bytes),
            web.get("/answer/charset", self.charset),
            web.get("/answer/empty", self.empty),
            web.route("*", "/answer/status/{status}", self.status),
            web.get("/answer/reason", self.reason),
            web.get("/answer/fields", self.fields),
            web.get("/answer/date", self.date),
            web.get("/answer/server", self.server),
            web.get("/answer/framing", self.framing),
            web.get("/answer/close", self.close),
            web.get("/answer/compressed", self.compressed),
            web.get("/answer/encoded", self.encoded),
            web.get("/answer/validators", self.validators),
            web.get("/answer/payload/{kind}", self.payload),
            web.get("/answer/kept", self.keep),
            web.get("/cookies/set", self.set_cookies),
            web.get("/cookies/delete", self.delete_cookies),
            web.get("/raise/{name}", self.raise_named),
            web.get("/fail/{how}", self.fail),
            web.post("/only-post", self.text),
            web.put("/several", self.text),
            web.delete("/several", self.text),
            web.options("/several", self.options),
        ]

    async def text(self, request: Any) -> Any:
        return self.web.Response(text="text: größe")

    async def json(self, request: Any) -> Any:
        return self.web.json_response({"a": [1, None, "ü"]}, headers={"X-Kind": "json"})

    async def bytes(self, request: Any) -> Any:
        body = bytes(range(256)) * 100
        return self.web.Response(body=body, content_type="application/x-bytes")

    async def charset(self, request: Any) -> Any:
        return self.web.Response(text="größe", content_type="text/html", charset="latin-1")

    async def empty(self, request: Any) -> Any:
        return self.web.Response()

    async def status(self, request: Any) -> Any:
        status = int(request.match_info["status"])
        return self.web.Response(status=status, headers={"X-Status": str(status)})

    async def reason(self, request: Any) -> Any:
        return self.web.Response(text="ok", reason="Quite Fine")

    async def fields(self, request: Any) -> Any:
        response = self.web.Response(text="fields", headers={"X-Large": "l" * 6000})
        for number in range(5):
            response.headers.add("X-Many", str(number))
        response.headers["X-Text"] = "größe"
        response.headers["x-lower"] = "1"
        return response

    async def date(self, request: Any) -> Any:
        return self.web.Response(headers={"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})

    async def server(self, request: Any) -> Any:
        return self.web.Response(headers={"Server": "mine"})

    async def framing(self, request: Any) -> Any:
        """Say what belongs to the connection, as programs for HTTP/1.1 do."""
        return self.web.Response(text="framed", headers={"Keep-Alive": "timeout=5"})

    async def close(self, request: Any) -> Any:
        response = self.web.Response(text="last")
        response.force_close()
        return response

    async def compressed(self, request: Any) -> Any:
        response = self.web.Response(text="compressed " * 200)
        coding = request.query.get("coding")
        response.enable_compression(self.web.ContentCoding[coding] if coding else None)
        return response

    async def encoded(self, request: Any) -> Any:
        body = gzip.compress(b"encoded before", mtime=0)
        return self.web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async def validators(self, request: Any) -> Any:
        response = self.web.Response(text="valid")
        response.etag = "tag"
        response.last_modified = 784111777
        return response

    async def payload(self, request: Any) -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                await asyncio.sleep(0)
                yield f"piece {number};".encode()

        kind = request.match_info["kind"]
        bodies = {
            "bytes-io": lambda: io.BytesIO(b"from memory"),
            "string-io": lambda: io.StringIO("from text"),
            "iterable": pieces,
            "bytearray": lambda: bytearray(b"array"),
        }
        return self.web.Response(body=bodies[kind]())

    async def keep(self, request: Any) -> Any:
        """Answer with a response that was the answer to the request before."""
        if self.kept is None:
            self.kept = self.web.Response(text="kept")
        return self.kept

    async def set_cookies(self, request: Any) -> Any:
        response = self.web.Response(text="set")
        response.set_cookie("plain", "1")
        response.set_cookie("all", "a b;c", max_age=60, domain="rich.test", path="/p", secure=True)
        response.set_cookie("strict", "2", httponly=True, samesite="Strict")
        return response

    async def delete_cookies(self, request: Any) -> Any:
        response = self.web.Response(text="deleted")
        response.del_cookie("plain")
        return response

    async def raise_named(self, request: Any) -> Any:
        """Raise any of the exceptions that are answers."""
        error = getattr(self.web, request.match_info["name"])
        fields = {"X-Raised": error.__name__}
        if issubclass(error, self.web.HTTPRequestEntityTooLarge):
            raise error(max_size=1, actual_size=2, headers=fields)
        if issubclass(error, self.web.HTTPMethodNotAllowed):
            raise error("get", {"PUT", "DELETE"}, headers=fields)
        if issubclass(error, self.web.HTTPUnavailableForLegalReasons):
            raise error("http://why.test/", headers=fields)
        if hasattr(error, "location") or issubclass(error, self.web.HTTPRedirection):
            is_move = issubclass(error, self.web.HTTPMove)
            raise error("/to/ü?q=1", headers=fields) if is_move else error(headers=fields)
        raise error(headers=fields)

    async def fail(self, request: Any) -> Any:
        """Fail as handlers fail that know nothing of HTTP."""
        match request.match_info["how"]:
            case "value":
                raise ValueError("not for clients")
            case "lookup":
                raise LookupError("the thing")
            case "timeout":
                raise TimeoutError
            case "text":
                return "no response"
        return None

    async def options(self, request: Any) -> Any:
        return self.web.Response(status=204, headers={"Allow": "PUT, DELETE"})
