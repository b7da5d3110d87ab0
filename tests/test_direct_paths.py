"""Paths that the router finds without a search, and what stands in the way of that."""

import pytest

from bascule import web
from bascule.testing import MemoryExchange


def handler_of(name: str) -> web.Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=name)

    answer.__name__ = name
    return answer


async def find(app: web.Application, target: str, method: str = "GET") -> str:
    info = await app.router.resolve(web.Request(MemoryExchange(method, target)))
    return str(info.http_exception.status if info.http_exception else info.handler.__name__)


def make_app(*paths: str) -> web.Application:
    app = web.Application()
    for path in paths:
        app.router.add_get(path, handler_of(path))
    return app


@pytest.mark.parametrize(
    ("paths", "direct"),
    [
        (["/a", "/a/b", "/a/"], {"/a", "/a/b", "/a/"}),
        (["/a/b", "/a/{x}"], {"/a/b"}),
        (["/a", r"/a{x:/?}"], {"/a"}),
        (["/é"], {"/é"}),
        (["", "/"], set[str]()),
        (["/", ""], {"/"}),
        (["/a%20b", "/a?b", "/a%2Fb"], set[str]()),
    ],
)
async def test_plain_paths_are_listed(paths: list[str], direct: set[str]) -> None:
    app = make_app(*paths)
    assert set(app.router._index.direct) == direct
    for path in direct:
        assert await find(app, path) == path
        assert await find(app, path + "?x=/a") == path


async def test_what_was_added_first_wins() -> None:
    """An application inside has the paths below its prefix, and that itself."""
    app = web.Application()
    inside = web.Application()
    inside.router.add_get("/", handler_of("inside"))
    app.add_subapp("/a", inside)
    app.router.add_get("/a/", handler_of("plain"))
    assert "/a/" not in app.router._index.direct
    assert await find(app, "/a/") == "inside"


async def test_the_first_of_two_resources_with_a_path_wins() -> None:
    app = make_app("/a", "/b")
    app.router.add_post("/a", handler_of("second"))
    assert await find(app, "/a") == "/a"
    assert await find(app, "/a", "POST") == "second"
    assert await find(app, "/a", "PUT") == "405"


async def test_a_method_that_is_added_later_is_found() -> None:
    app = make_app()
    resource = app.router.add_resource("/a")
    resource.add_route("GET", handler_of("get"))
    assert await find(app, "/a", "PUT") == "405"
    resource.add_route("*", handler_of("any"))
    assert [await find(app, "/a", method) for method in ("GET", "PUT")] == ["get", "any"]


async def test_paths_change_with_a_prefix() -> None:
    app = web.Application()
    inside = make_app("/x")
    assert set(inside.router._index.direct) == {"/x"}
    app.add_subapp("/a b", inside)
    assert set(inside.router._index.direct) == {"/a b/x"}
    assert await find(app, "/a%20b/x") == "/x"
    assert await find(app, "/x") == "404"


async def test_domains_and_root_paths_come_before() -> None:
    app = make_app("/x")
    other = web.Application()
    other.router.add_get("/x", handler_of("domain"))
    app.add_domain("d.test", other)
    request = web.Request(MemoryExchange("GET", "/x", fields={"Host": "d.test"}))
    assert (await app.router.resolve(request)).handler.__name__ == "domain"
    mounted = web.Request(MemoryExchange("GET", "/x", root_path="/x"))
    found = await make_app("/x", "/").router.resolve(mounted)
    assert found.handler.__name__ == "/"
