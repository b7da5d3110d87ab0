"""normalize_path_middleware redirects where it does in aiohttp, whatever its options."""

from itertools import cycle, product
from typing import Any

import pytest

from differential.frame import Call, Case, compare
from differential.requesting import request
from differential.routed import telling

OPTIONS: dict[str, dict[str, bool]] = {
    "append": {},
    "append-unmerged": {"merge_slashes": False},
    "remove": {"append_slash": False, "remove_slash": True},
    "remove-unmerged": {"append_slash": False, "remove_slash": True, "merge_slashes": False},
    "merge": {"append_slash": False},
    "none": {"append_slash": False, "merge_slashes": False},
}
CLASSES = [None, "HTTPMovedPermanently", "HTTPFound", "HTTPTemporaryRedirect"]
ROUTES = [
    "/",
    "/a",
    "/b/",
    "/c/{x}",
    "/d/{x}/",
    "/e",
    "/e/",
    "/f//g",
    "/f//g/",
    "/w w/",
    "/ж",
    "/{x}.html",
    r"/{x:[^/]*}.test/",
    r"/{x:.*}.test/in",
    r"/g/{x:\d+}",
    r"/g/{x:\D+}/",
]
INSIDE = ["", "/", "/a", "/b/"]
TARGETS = [
    "/",
    "//",
    "///",
    "/a",
    "/a/",
    "/a//",
    "//a",
    "///a",
    "//a/",
    "//a//",
    "/b",
    "/b/",
    "/b//",
    "//b",
    "///b///",
    "/c/1",
    "/c/1/",
    "/c//1",
    "/c//1//",
    "/c/",
    "/c",
    "/c/a%2Fb/",
    "/c/a%252Fb/",
    "//c/%2F",
    "/d/1",
    "/d//1/",
    "/d/a%2Fb",
    "//d//a%2fb",
    "/e",
    "/e/",
    "//e",
    "//e/",
    "/e//",
    "/f/g",
    "/f//g",
    "/f///g",
    "/f//g//",
    "/g/1/",
    "/g/x",
    "/missing",
    "/missing/",
    "//missing//",
    "/ab",
    "/w%20w",
    "/w+w",
    "/%D0%B6/",
    "//%d0%b6",
    "/%62",
    "/b%2F",
    "/b;x=1",
    "/b%3Fx",
    "/b%23x",
    "/./b",
    "/x/../b",
    "/x/..//b",
    "/b?",
    "/b?x",
    "/b?x=1&y=%2F%20+",
    "//a?x=//y",
    "/a/?x=/y/",
    "/b?/",
    "/a/?",
    "/b??x",
    "/b?x=%C3%A9",
    "/b?next=http://x.test/",
    "/evil.test",
    "//evil.test",
    "//evil.test/",
    "//evil.test//",
    "///evil.test",
    "//evil.test/in",
    "//evil.test/in/",
    "//evil.test//in",
    "///evil.test/in/",
    "/\\evil.test",
    "/\\evil.test//",
    "/\\/evil.test/in/",
    "//\\evil.test/in/",
    "/\\\\evil.test/in/",
    "/%5Cevil.test",
    "/%5C/evil.test/in/",
    "/%2Fevil.test",
    "/%2F/evil.test/in/",
    "//user@evil.test/in/",
    "//evil.test:80/in/",
    "/.//evil.test/in/",
    "/s",
    "/s/",
    "/s//",
    "/s/a",
    "/s/a/",
    "/s//a",
    "/s/b",
    "/s/b//",
    "//s/b",
    "/s/missing/",
    "/post/",
    "//post",
    "/post",
]


# What aiohttp does otherwise (see `differences`).
ABSOLUTE = ["http://other.test/b?x", "http://example.test//a"]
ENCODED_SLASH = ["/d/%2F", "/d/a%2Fb%2F?x"]


def _make_case(
    options: str, redirect: str | None, method: str, target: str, group: str = "normalize"
) -> Case:
    def build(web: Any) -> Any:
        kwargs: dict[str, Any] = dict(OPTIONS[options])
        if redirect is not None:
            kwargs["redirect_class"] = getattr(web, redirect)
        app = web.Application(middlewares=[web.normalize_path_middleware(**kwargs)])
        for path in ROUTES:
            app.router.add_get(path, telling(web, path))
        app.router.add_post("/post", telling(web, "/post"))
        inside = web.Application()
        for path in INSIDE:
            inside.router.add_get(path, telling(web, f"inside {path}"))
        app.add_subapp("/s", inside)
        return app

    return Case(f"{group}/{options}/{method} {target}", build, Call(request(method, target)))


CASES = [
    *(
        _make_case(options, redirect, method, target)
        for (target, method, options), redirect in zip(
            product(TARGETS, ["GET", "HEAD", "POST"], OPTIONS),
            cycle([*CLASSES, None]),
            strict=False,
        )
    ),
    *(
        _make_case("append", None, method, target, "normalize-absolute")
        for target, method in product(ABSOLUTE, ["GET", "HEAD"])
    ),
    *(
        _make_case("append-unmerged", None, method, target, "normalize-encoded-slash")
        for target, method in product(ENCODED_SLASH, ["GET", "HEAD"])
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_paths_are_normalized_as_in_aiohttp(case: Case) -> None:
    """The answer, or the redirection and where it leads to, is the same."""
    await compare(case)
