"""What a lookup costs among 10 routes and among 10 000, in bascule's router and in aiohttp's.

    python -m tests.benchmarks.router_scaling

Each shape is looked up for a route in the middle of the table. Rounds of all tables alternate, so
that a busy machine slows all of them; the fastest round of each counts. The last column is the
ratio that must stay under 1.3 for bascule's plain and prefixed shapes.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

from aiohttp import web as reference
from aiohttp.test_utils import make_mocked_request

from bascule import web
from bascule.app.application import Request
from bascule.testing import MemoryExchange

SIZES = (10, 10_000)
ROUNDS, LOOKUPS = 30, 300
SHAPES = {
    "/pathN": ("/path{}", "/path{}"),
    "/prefixN/{id}": ("/prefix{}/{{id}}", "/prefix{}/42"),
    "/prefixN/{id}/edit": ("/prefix{}/{{id}}/edit", "/prefix{}/42/edit"),
    "/a/b/c/pathN": ("/a/b/c/path{}", "/a/b/c/path{}"),
    "/api/{a}/{b}/pathN": ("/api/{{a}}/{{b}}/path{}", "/api/1/2/path{}"),
    "404": ("/path{}", "/nowhere{}/at/all"),
}
Resolve = Callable[[Any], Coroutine[Any, Any, Any]]


async def handler(request: Any) -> Any:
    raise NotImplementedError


def make_resolve(module: ModuleType, pattern: str, size: int) -> Resolve:
    router = module.UrlDispatcher()
    for number in range(size):
        router.add_get(pattern.format(number), handler, allow_head=False)
    router.freeze()
    return router.resolve  # type: ignore[no-any-return]


def make_request(module: ModuleType, path: str) -> Any:
    if module is reference:
        return make_mocked_request("GET", path)
    return Request(MemoryExchange("GET", path))


def measure(resolve: Resolve, request: Any) -> float:
    """Give the CPU time of one lookup, in seconds."""
    start = time.process_time_ns()
    for _ in range(LOOKUPS):
        try:
            resolve(request).send(None)
        except StopIteration:
            pass
    return (time.process_time_ns() - start) / LOOKUPS / 1e9


async def main() -> None:
    print(f"{'shape':22} {'router':8} " + " ".join(f"{size:>10}" for size in SIZES) + "   ratio")
    for shape, (pattern, path) in SHAPES.items():
        tables = {
            (module, size): (
                make_resolve(module, pattern, size),
                make_request(module, path.format(size // 2)),
            )
            for module in (web, reference)
            for size in SIZES
        }
        best = dict.fromkeys(tables, float("inf"))
        for _ in range(ROUNDS):
            for key, (resolve, request) in tables.items():
                best[key] = min(best[key], measure(resolve, request))
        for module in (web, reference):
            times = [best[module, size] for size in SIZES]
            name = module.__name__.partition(".")[0]
            cells = " ".join(f"{each * 1e6:7.2f} us" for each in times)
            print(f"{shape:22} {name:8} {cells}   {times[-1] / times[0]:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
