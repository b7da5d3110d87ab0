"""What stands around handlers: nested applications, options of routes, exception handlers."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from bascule.testing import MemoryExchange
from support.features import Feature

NAME = web.AppKey("NAME", str)
GIVEN = web.AppKey("GIVEN", str)


async def tell(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def label(name: str, log: list[str]) -> Any:
    """Make a middleware that writes down its turns, and whose turn it is."""

    @web.middleware
    async def middleware(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        log.append(f">{name} {request.app[NAME]}")
        try:
            return await handler(request)
        except web.HTTPException as exc:
            log.append(f"!{name} {exc.status} {request.app[NAME]}")
            raise
        finally:
            log.append(f"<{name}")

    return middleware


# -- nested applications


def nested(log: list[str]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        apps = [app[NAME] for app in request.match_info.apps]
        data = [request.config_dict[NAME], request.config_dict[GIVEN]]
        log.append(f"= {request.app[NAME]} {apps} {data}")
        return web.Response(text=str(request.match_info.route.url_for(id="7")))

    def app_of(name: str) -> web.Application:
        async def receiver(request: web.Request, response: web.StreamResponse) -> None:
            log.append(f"prepare {name}")
            response.headers.add("X-Prepared", name)

        app = web.Application(middlewares=[label(name, log)])
        app[NAME] = name
        app.on_response_prepare.append(receiver)
        return app

    outer, middle, inner = app_of("outer"), app_of("middle"), app_of("inner")
    outer[GIVEN], middle[GIVEN] = "by outer", "by middle"
    inner.router.add_get("/{id}", handler, name="item")
    middle.add_subapp("/in side", inner)
    outer.add_subapp("/middle/", middle)
    outer.router.add_get("/middle2", tell)
    return outer


@pytest.mark.every_host
async def test_nested_applications_have_their_turns_in_order(serve: Any) -> None:
    log: list[str] = []
    client = await serve(nested(log))
    answer = await client.get("/middle/in%20side/1")
    assert (answer.status, answer.text) == (200, f"{client.prefix}/middle/in%20side/7")
    assert answer.fields.getall("X-Prepared") == ["outer", "middle", "inner"]
    assert log == [
        ">outer outer",
        ">middle middle",
        ">inner inner",
        "= inner ['outer', 'middle', 'inner'] ['inner', 'by middle']",
        "<inner",
        "<middle",
        "<outer",
        "prepare outer",
        "prepare middle",
        "prepare inner",
    ]


@pytest.mark.parametrize(
    ("method", "target", "status", "turns"),
    [
        ("GET", "/middle/in%20side/1/2", 404, ["outer", "middle", "inner"]),
        ("POST", "/middle/in%20side/1", 405, ["outer", "middle", "inner"]),
        ("GET", "/middle/else", 404, ["outer", "middle"]),
        ("GET", "/middle2/else", 404, ["outer"]),
    ],
)
async def test_refusals_pass_the_middlewares_of_all_whose_prefix_it_is(
    serve: Any, method: str, target: str, status: int, turns: list[str]
) -> None:
    log: list[str] = []
    client = await serve(nested(log))
    for _ in range(2):  # the first request builds what the second uses
        log.clear()
        answer = await client.request(method, target)
        assert answer.status == status
        assert answer.fields.get("Allow") == ("GET,HEAD" if status == 405 else None)
        assert [each[1:] for each in log if each[0] == ">"] == [f"{turn} {turn}" for turn in turns]
        refused = [f"{turn} {status} {turn}" for turn in reversed(turns)]
        assert [each[1:] for each in log if each[0] == "!"] == refused


async def test_domains_come_first(serve: Any) -> None:
    def app_of(name: str) -> web.Application:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(text=name)

        app = web.Application()
        app.router.add_get("/", handler)
        return app

    app = app_of("main")
    app.add_domain("example.com", app_of("example"))
    app.add_domain("*.example.com:8080", app_of("mask"))
    client = await serve(app)
    for host, expected in [
        ("example.com", "example"),
        ("EXAMPLE.com:99", "example"),
        ("a.b.example.com:8080", "mask"),
        ("a.example.com", "main"),
        ("other.com", "main"),
    ]:
        answer = await client.get("/", fields={"Host": host})
        assert (host, answer.text) == (host, expected)


@pytest.mark.parametrize("host", ["." * 3000, ".mask.example" * 600, "a" * 5000])
def test_masks_are_compared_in_time_that_grows_with_the_host(host: str) -> None:
    """A star of a mask gives nothing back; backtracking over three took seconds."""
    rule: Any = web.Application().add_domain("*.*.*.*.*.example.com", web.Application())
    mask = rule.get_info()["rule"]
    assert mask.match_domain(host) is False
    assert mask.match_domain("a.b.c.d.e.example.com:80") is True


def test_variable_parts_of_one_segment_are_not_tried_on_other_numbers_of_segments() -> None:
    resource = web.DynamicResource("/{a}-{b}-{c}-{d}-{e}")
    assert resource.match("/" + "-" * 8000 + "/") is None
    assert resource.match("/1-2-3-4-5") == {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
    resource.add_prefix("/p")
    assert resource.match("/p/1-2-3-4-5") is not None
    assert resource.match("/1-2-3-4-5") is None


@pytest.mark.parametrize(
    ("path", "status"), [("/p", 404), ("/p/x", 200), ("/p/y", 404), ("/px", None), ("/", None)]
)
async def test_resource_of_a_sub_application_answers_below_its_prefix_alone(
    path: str, status: int | None
) -> None:
    """Also when it is asked by someone else than a router, which asks for such paths only."""
    inner = web.Application()
    inner.router.add_get("/x", tell)
    resource = web.Application().add_subapp("/p", inner)
    found, methods = await resource.resolve(web.Request(MemoryExchange("GET", path)))
    assert methods == set()
    if status is None:
        assert found is None
    else:
        assert found is not None
        refusal = found.http_exception
        assert (200 if refusal is None else refusal.status) == status


async def test_refused_sub_application_is_as_it_was() -> None:
    middle, inner = web.Application(), web.Application()
    resource = inner.router.add_get("/x", tell).resource
    web.Application().add_subapp("/middle", middle)
    with pytest.raises(RuntimeError, match="frozen router"):
        middle.add_subapp("/inner", inner)
    assert resource is not None
    assert resource.canonical == "/x"


async def test_signals_see_the_request_that_is_answered(serve: Any) -> None:
    """Which may be a clone that a middleware has handed on."""
    seen: list[str] = []

    @web.middleware
    async def change(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        clone = request.clone(rel_url="/changed")
        response = await handler(clone)
        await response.prepare(clone)
        return response

    async def receiver(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(request.path)

    app = web.Application(middlewares=[change])
    app.on_response_prepare.append(receiver)
    app.router.add_get("/", tell)
    client = await serve(app)
    assert (await client.get("/")).text == "/changed"
    assert seen == ["/changed"]


async def test_paths_are_normalized_also_behind_a_body_that_was_read(serve: Any) -> None:
    @web.middleware
    async def read(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        await request.read()
        return await handler(request)

    app = web.Application(middlewares=[read, web.normalize_path_middleware()])
    app.router.add_post("/a/", tell)
    client = await serve(app)
    assert (await client.post("/nowhere", body=b"x")).status == 404
    answer = await client.post("/a", body=b"x")
    assert (answer.status, answer.fields["Location"]) == (308, f"{client.prefix}/a/")


async def test_routes_made_for_one_request_are_not_kept(serve: Any) -> None:
    class Fresh(web.PlainResource):
        async def resolve(self, request: Any) -> Any:
            route = web.ResourceRoute("GET", tell, self)
            made.append(weakref.ref(route))
            return web.UrlMappingMatchInfo({}, route), {"GET"}

    made: list[weakref.ref[web.ResourceRoute]] = []
    app = web.Application()
    app.router.register_resource(Fresh("/fresh"))
    client = await serve(app)
    for _ in range(5):
        assert (await client.get("/fresh")).status == 200
    gc.collect()
    assert sum(route() is not None for route in made) <= 1  # the last request may still be there


async def test_methods_of_all_applications_for_a_target_are_named(serve: Any) -> None:
    """RFC 9110 section 15.5.6: Allow lists what the target supports."""
    inner, app = web.Application(), web.Application()
    inner.router.add_put("/thing", tell)
    app.router.add_post("/inner/thing", tell)
    app.add_subapp("/inner", inner)
    client = await serve(app)
    answer = await client.get("/inner/thing")
    assert (answer.status, answer.fields["Allow"]) == (405, "POST,PUT")
    assert (await client.post("/inner/thing")).status == 200


async def test_old_style_middlewares_still_work(serve: Any) -> None:
    made: list[str] = []

    async def factory(app: web.Application, handler: web.Handler) -> web.Handler:
        made.append(app[NAME])

        async def wrapped(request: web.Request) -> web.StreamResponse:
            response = await handler(request)
            response.headers["X-Old"] = "1"
            return response

        return wrapped

    app = web.Application(middlewares=[factory])  # type: ignore[list-item]  # of the old style
    app[NAME] = "main"
    app.router.add_get("/", tell)
    with pytest.warns(DeprecationWarning, match='old-style middleware "<function .*#2252'):
        app.freeze()
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.text, answer.fields["X-Old"], made) == (f"{client.prefix}/", "1", ["main"])


async def test_chain_of_a_route_is_built_once(serve: Any) -> None:
    """And keeps the attributes of the handler, so that decorations are seen."""
    seen: list[Any] = []

    @web.middleware
    async def look(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        seen.append(handler)
        return await handler(request)

    async def marked(request: web.Request) -> web.Response:
        return web.Response()

    marked.mark = "of the handler"  # type: ignore[attr-defined]  # as decorators do
    app, inner = web.Application(middlewares=[look]), web.Application(middlewares=[look])
    inner.router.add_get("/", marked)
    app.add_subapp("/inner", inner)
    client = await serve(app)
    for _ in range(3):
        assert (await client.get("/inner/")).status == 200
    assert [handler.mark for handler in seen] == ["of the handler"] * 6
    assert len({id(handler) for handler in seen}) == 2


async def test_middlewares_see_and_change_files(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("content")

    @web.middleware
    async def see(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Seen"] = f"{type(response).__name__} {response.prepared}"
        return response

    app = web.Application(middlewares=[see])
    app.router.add_static("/files", tmp_path)
    client = await serve(app)
    answer = await client.get("/files/file.txt")
    assert (answer.text, answer.fields["X-Seen"]) == ("content", "FileResponse False")


async def test_plain_paths_win_also_below_a_prefix_with_braces(serve: Any) -> None:
    async def dynamic(request: web.Request) -> web.Response:
        return web.Response(text=f"dynamic {request.match_info['x']}")

    app, inner = web.Application(), web.Application()
    inner.router.add_get("/{x}", dynamic)
    inner.router.add_get("/plain", tell)
    app.add_subapp("/{braces}", inner)
    client = await serve(app)
    assert (await client.get("/%7Bbraces%7D/plain")).text == client.prefix + "/{braces}/plain"
    assert (await client.get("/%7Bbraces%7D/other")).text == "dynamic other"
    assert (await client.get("/anything/other")).status == 404


# -- options of routes and resources


async def test_route_has_a_body_limit_of_its_own(serve: Any) -> None:
    async def size(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def raise_limit(request: web.Request) -> web.Response:
        request.client_max_size = 100
        return await size(request)

    app = web.Application(client_max_size=10)
    app.add_routes(
        [
            web.post("/usual", size),
            web.post("/more", size, client_max_size=20),
            web.post("/less", size, client_max_size=5),
            web.post("/any", size, client_max_size=0),
            web.post("/set", raise_limit),
        ]
    )
    client = await serve(app)
    for target, length, status in [
        ("/usual", 10, 200),
        ("/usual", 11, 413),
        ("/more", 20, 200),
        ("/more", 21, 413),
        ("/less", 6, 413),
        ("/any", 1000, 200),
        ("/set", 100, 200),
        ("/set", 101, 413),
    ]:
        answer = await client.post(target, body=b"x" * length)
        assert (target, length, answer.status) == (target, length, status)


async def test_body_limit_of_a_route_holds_in_middlewares_too(serve: Any) -> None:
    @web.middleware
    async def read(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        await request.read()
        return await handler(request)

    app = web.Application(client_max_size=10, middlewares=[read])
    app.router.add_post("/", tell, client_max_size=20)
    client = await serve(app)
    assert (await client.post("/", body=b"x" * 20)).status == 200
    assert (await client.post("/", body=b"x" * 21)).status == 413


async def test_route_has_a_time_limit(serve: Any) -> None:
    cancelled: list[str] = []

    async def hang(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(request.path)
            raise
        raise AssertionError

    async def own(request: web.Request) -> web.Response:
        raise TimeoutError("of its own")

    @web.middleware
    async def see(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPGatewayTimeout as exc:
            exc.headers["X-Seen"] = "1"
            raise

    app = web.Application(middlewares=[see])
    app.add_routes(
        [
            web.get("/hang", hang, timeout=0.01),
            web.get("/quick", tell, timeout=60),
            web.get("/own", own, timeout=60),
        ]
    )
    client = await serve(app)
    answer = await client.get("/hang")
    assert (answer.status, answer.text) == (504, "504: Gateway Timeout")
    assert answer.fields["X-Seen"] == "1"
    assert cancelled == [f"{client.prefix}/hang"]
    assert (await client.get("/quick")).status == 200
    answer = await client.get("/own")
    assert (answer.status, "X-Seen" in answer.fields) == (504, False)


async def test_resources_and_routes_have_middlewares_of_their_own(serve: Any) -> None:
    log: list[str] = []
    app = web.Application(middlewares=[label("app", log)])
    app[NAME] = "main"
    resource = app.router.add_resource("/a", middlewares=[label("resource", log)])
    resource.add_route("GET", tell, middlewares=[label("route", log), label("route 2", log)])
    resource.add_route("PUT", tell)
    app.router.add_get("/b", tell)
    client = await serve(app)
    for method, target, turns in [
        ("GET", "/a", ["app", "resource", "route", "route 2"]),
        ("PUT", "/a", ["app", "resource"]),
        ("GET", "/b", ["app"]),
    ]:
        log.clear()
        assert (await client.request(method, target)).status == 200
        assert [each[1:] for each in log if each[0] == ">"] == [f"{turn} main" for turn in turns]


# -- exception handlers


class Broken(Exception):
    """What a handler raises."""


class VeryBroken(Broken):
    """A kind of it."""


def answering(name: str) -> Any:
    async def answer(request: web.Request, exc: Exception) -> web.Response:
        status = exc.status if isinstance(exc, web.HTTPException) else 400
        return web.Response(status=status, text=f"{name}: {exc} in {request.app[NAME]}")

    return answer


async def test_exceptions_are_answered_by_status_then_by_class(serve: Any) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise {
            "broken": Broken("b"),
            "very": VeryBroken("v"),
            "other": KeyError("k"),
            "gone": web.HTTPGone(),
            "forbidden": web.HTTPForbidden(),
        }[request.match_info["what"]]

    app = web.Application()
    app[NAME] = "main"
    app.router.add_get("/{what}", fail)
    app.exception_handlers[Broken] = answering("broken")
    app.exception_handlers[404] = answering("404")
    app.exception_handlers[web.HTTPClientError] = answering("client")
    app.exception_handlers[web.HTTPGone] = answering("gone")
    app.exception_handlers[405] = answering("405")
    client = await serve(app)
    for target, expected in [
        ("/broken", (400, "broken: b in main")),
        ("/very", (400, "broken: v in main")),
        ("/gone", (410, "gone: Gone in main")),
        ("/forbidden", (403, "client: Forbidden in main")),
        ("/no/where", (404, "404: Not Found in main")),
    ]:
        answer = await client.get(target)
        assert (target, answer.status, answer.text) == (target, *expected)
    assert (await client.post("/very")).text == "405: Method Not Allowed in main"


async def test_exception_that_nothing_answers_is_logged_and_500(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise KeyError("k")

    app = web.Application()
    app.router.add_get("/", fail)
    app.exception_handlers[ValueError] = answering("never")
    client = await serve(app)
    with caplog.at_level(logging.ERROR):
        assert (await client.get("/")).status == 500
    assert "KeyError: 'k'" in caplog.text


async def test_exceptions_go_from_inner_to_outer_applications(serve: Any) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise {"b": Broken("b"), "k": KeyError("k")}[request.match_info["what"]]

    async def raise_more(request: web.Request, exc: Exception) -> web.Response:
        raise VeryBroken("again") from exc

    @web.middleware
    async def refuse(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        if "refuse" in request.query:
            raise Broken("refused")
        return await handler(request)

    inner, app = web.Application(middlewares=[refuse]), web.Application()
    inner[NAME], app[NAME] = "inner", "outer"
    inner.router.add_get("/{what}", fail)
    inner.exception_handlers[Broken] = answering("inner")
    inner.exception_handlers[KeyError] = raise_more
    app.add_subapp("/inner", inner)
    app.exception_handlers[Exception] = answering("outer")
    client = await serve(app)
    for target, expected in [
        ("/inner/b", "inner: b in inner"),
        ("/inner/k", "outer: again in outer"),
        ("/inner/k?refuse", "inner: refused in inner"),
        ("/else", "outer: Not Found in outer"),
    ]:
        assert (target, (await client.get(target)).text) == (target, expected)


async def test_exception_behind_the_head_is_not_answered(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answered: list[Exception] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise Broken("late")

    async def answer(request: web.Request, exc: Exception) -> web.Response:
        answered.append(exc)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", stream)
    app.exception_handlers[Broken] = answer
    client = await serve(app)
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/")
    assert answered == []


async def test_exception_while_the_head_is_held_is_answered(serve: Any) -> None:
    async def begin(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise Broken("before a byte has left")

    app = web.Application()
    app[NAME] = "main"
    app.router.add_get("/", begin)
    app.exception_handlers[Broken] = answering("broken")
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.status, answer.text) == (400, "broken: before a byte has left in main")


def test_exception_handlers_are_checked_and_frozen() -> None:
    app = web.Application()
    for key in ("404", object, BaseException, None):
        with pytest.raises(TypeError, match="Expected a status or a subclass of Exception"):
            app.exception_handlers[key] = answering("x")  # type: ignore[index]
    with pytest.raises(TypeError, match="Coroutine function is expected"):
        app.exception_handlers[404] = lambda request, exc: web.Response()  # type: ignore[assignment,return-value]
    app.exception_handlers[404] = answering("x")
    assert list(app.exception_handlers) == [404]
    app.freeze()
    with pytest.raises(RuntimeError, match="Cannot modify frozen exception handlers"):
        app.exception_handlers[405] = answering("x")
    with pytest.raises(RuntimeError, match="Cannot modify frozen exception handlers"):
        del app.exception_handlers[404]


# -- life


async def test_async_with_starts_and_cleans_up_nested_applications() -> None:
    log: list[str] = []

    def app_of(name: str) -> web.Application:
        async def context(app: web.Application) -> AsyncIterator[None]:
            log.append(f"+{name}")
            yield
            log.append(f"-{name}")

        app = web.Application()
        app.cleanup_ctx.append(context)
        return app

    app, inner = app_of("outer"), app_of("inner")
    app.add_subapp("/inner", inner)
    async with app as entered:
        assert entered is app
        assert log == ["+outer", "+inner"]
        async with app_of("beside"):
            assert log[2:] == ["+beside"]
    assert log[3:] == ["-beside", "-outer", "-inner"]


async def test_handler_can_add_routes_while_the_application_starts(serve: Any) -> None:
    async def add(app: web.Application) -> None:
        app.router.add_get("/late", tell)
        app[NAME] = "set at start"

    app = web.Application()
    app.on_startup.append(add)
    client = await serve(app)
    assert (await client.get("/late")).text == f"{client.prefix}/late"
    with pytest.raises(RuntimeError, match="Cannot register a resource into frozen router"):
        app.router.add_get("/later", tell)


async def test_resources_come_later_where_the_owner_has_disabled_freezing(serve: Any) -> None:
    """Home Assistant does this."""
    app = web.Application()
    app.router.add_get("/", tell)
    app._router.freeze = lambda: None  # type: ignore[method-assign]  # as its owner does
    client = await serve(app)
    assert (await client.get("/later/x")).status == 404
    app.router.add_get("/later/{x}", tell)
    assert (await client.get("/later/x")).text == f"{client.prefix}/later/x"


async def test_patched_hooks_are_the_real_path(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing tools replace these on the class, after applications were made."""
    app = web.Application()
    app.router.add_get("/{x}", tell)
    client = await serve(app)
    seen: list[str] = []
    handle, make, resolve = (
        web.Application._handle,
        web.Application._make_request,
        web.UrlDispatcher.resolve,
    )

    async def patched_handle(self: web.Application, request: web.Request) -> web.StreamResponse:
        seen.append("handle")
        return await handle(self, request)

    def patched_make(self: web.Application, *args: Any) -> web.Request:
        seen.append("make")
        return make(self, *args)

    async def patched_resolve(self: web.UrlDispatcher, request: web.Request) -> Any:
        seen.append("resolve")
        return await resolve(self, request)

    monkeypatch.setattr(web.Application, "_handle", patched_handle)
    monkeypatch.setattr(web.Application, "_make_request", patched_make)
    monkeypatch.setattr(web.UrlDispatcher, "resolve", patched_resolve)
    assert (await client.get("/a")).text == f"{client.prefix}/a"
    assert seen == ["make", "handle", "resolve"]
