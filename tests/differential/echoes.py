"""Applications that answer with what they saw: of the route, of the head, of the body."""

import json
from typing import Any

__all__ = ["build_intake", "build_routes"]


def _dump(seen: Any) -> str:
    """Write JSON that shows each character, lone surrogates too."""
    return json.dumps(seen, indent=0, default=repr)


# -- routes


def build_routes(web: Any) -> Any:
    """Make the application with a route of each kind; each tells its name and what it matched."""

    def telling(name: str) -> Any:
        async def tell(request: Any) -> Any:
            seen = {
                "route": name,
                "method": request.method,
                "match_info": dict(request.match_info),
                "path": request.path,
                "raw_path": request.raw_path,
                "path_qs": request.path_qs,
                "rel_url": str(request.rel_url),
                "query": list(request.query.items()),
                "query_string": request.query_string,
                "resource": request.match_info.route.resource.canonical,
            }
            return web.Response(text=_dump(seen))

        return tell

    class Both(web.View):
        async def get(self) -> Any:
            return web.Response(text=f"get of {self.request.path}")

        async def post(self) -> Any:
            return web.Response(text=f"post of {self.request.path}")

    class Neither(web.View):
        pass

    async def url_of(request: Any) -> Any:
        name = request.query["name"]
        parts = {key: value for key, value in request.query.items() if key != "name"}
        return web.Response(text=str(request.app.router[name].url_for(**parts)))

    app = web.Application()
    router = app.router
    router.add_get("/", telling("root"))
    router.add_get("/plain", telling("plain"))
    router.add_get("/plain/", telling("plain-slash"))
    router.add_get("/a b", telling("blank"))
    router.add_get("/путь", telling("cyrillic"))
    router.add_get("/1%2C3", telling("quoted-as-registered"))
    router.add_get("/x+y", telling("plus"))
    router.add_get("/no-head", telling("no-head"), allow_head=False)
    router.add_post("/only-post", telling("only-post"))
    router.add_route("PROPFIND", "/propfind", telling("propfind"))
    router.add_route("*", "/any", telling("any"))
    router.add_get("/item/fixed", telling("item-fixed"))
    router.add_get("/item/{name}", telling("item"), name="item")
    router.add_get(r"/number/{n:\d+}", telling("number"), name="number")
    router.add_get(r"/code/{c:[a-z]{2,3}}", telling("code"))
    router.add_get("/two/{one}/{two}", telling("two"), name="two")
    router.add_get("/mixed/{a}-{b}.html", telling("mixed"))
    router.add_get("/tail/{rest:.*}", telling("tail"), name="tail")
    router.add_get("/order/{x}", telling("order-get"))
    router.add_post("/order/{y}", telling("order-post"))
    router.add_put(r"/order/{z:\d+}", telling("order-put"))
    router.add_view("/both", Both)
    router.add_view("/neither", Neither)
    router.add_route("GET", "/both-get", Both)
    router.add_get("/url", url_of)
    return app


# -- heads and bodies


def build_intake(web: Any) -> Any:
    """Make the application that reads requests in every way."""

    async def head(request: Any) -> Any:
        seen = {
            "method": request.method,
            "version": list(request.version),
            "scheme": request.scheme,
            "secure": request.secure,
            "host": request.host,
            "url": str(request.url) if request.host.startswith("example") else None,
            "path": request.path,
            "raw_path": request.raw_path,
            "query": list(request.query.items()),
            "headers": list(request.headers.items()),
            "raw_headers": [[name.hex(" "), value.hex(" ")] for name, value in request.raw_headers],
            "keep_alive": request.keep_alive,
            "remote": request.remote,
        }
        return web.Response(text=_dump(seen))

    async def cookies(request: Any) -> Any:
        return web.Response(text=_dump(dict(request.cookies)))

    async def described(request: Any) -> Any:
        seen = {
            "content_type": request.content_type,
            "charset": request.charset,
            "content_length": request.content_length,
            "body_exists": request.body_exists,
            "can_read_body": request.can_read_body,
        }
        return web.Response(text=_dump(seen))

    async def read(request: Any) -> Any:
        data = await request.read()
        again = await request.read()
        seen = {
            "data": data.hex(),
            "size": len(data),
            "same": data is again,
            "can_read_body": request.can_read_body,
            "body_exists": request.body_exists,
        }
        return web.Response(text=_dump(seen))

    async def size(request: Any) -> Any:
        total = 0
        while data := await request.content.readany():
            total += len(data)
        return web.Response(text=str(total))

    async def by_exactly(request: Any) -> Any:
        first = await request.content.readexactly(3)
        line = await request.content.readline()
        rest = await request.content.read()
        return web.Response(text=_dump([first.decode(), line.decode(), rest.decode()]))

    async def text(request: Any) -> Any:
        return web.Response(text=_dump(await request.text()))

    async def as_json(request: Any) -> Any:
        return web.json_response(await request.json())

    async def post(request: Any) -> Any:
        form = await request.post()
        seen = [[name, _tell(value)] for name, value in form.items()]
        return web.Response(text=_dump([seen, form is await request.post()]))

    def _tell(value: Any) -> Any:
        if isinstance(value, web.FileField):
            return {
                "name": value.name,
                "filename": value.filename,
                "content_type": value.content_type,
                "data": value.file.read().hex(),
                "headers": list(value.headers.items()),
            }
        return repr(value)

    async def ignore(request: Any) -> Any:
        return web.Response(text="ignored")

    async def release(request: Any) -> Any:
        await request.release()
        return web.Response(text="released")

    async def half(request: Any) -> Any:
        return web.Response(body=await request.content.readexactly(2))

    async def refuse(request: Any) -> Any:
        raise web.HTTPRequestEntityTooLarge(1, 2)

    async def fail(request: Any) -> Any:
        raise ValueError("before the body was read")

    async def stream(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        while data := await request.content.readany():
            await response.write(data)
        return response

    async def own_expect(request: Any) -> Any:
        raise web.HTTPForbidden(text="not from you")

    async def answering_expect(request: Any) -> Any:
        return web.Response(status=202, text="from the expect handler")

    app = web.Application(client_max_size=4096)
    for path, handler in {
        "/head": head,
        "/cookies": cookies,
        "/described": described,
        "/read": read,
        "/size": size,
        "/by-exactly": by_exactly,
        "/text": text,
        "/json": as_json,
        "/post": post,
        "/ignore": ignore,
        "/release": release,
        "/half": half,
        "/refuse": refuse,
        "/fail": fail,
        "/stream": stream,
    }.items():
        app.router.add_route("*", path, handler)
    app.router.add_route("*", "/expect-own", read, expect_handler=own_expect)
    app.router.add_route("*", "/expect-answering", read, expect_handler=answering_expect)
    app.router.add_post("/only-post", ignore)
    return app
