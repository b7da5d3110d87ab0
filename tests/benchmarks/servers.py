"""The servers that are compared: how each is started, and what it cannot do."""

import asyncio
import importlib.util
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SERVERS", "Server", "why_missing"]

_RAW = "touched file"


@dataclass(frozen=True)
class Server:
    """A server with an application.

    Attributes:
        title: what the table says.
        run: function of `benchmarks.hosts` that serves.
        options: keyword arguments of it.
        needs: modules that must be there.
        lacks: workloads that it has nothing for.
        environment: variables of the process.
        role: whose bar it is in the plot: `own`, `guest`, `host`, `limit`, or `peer`.
    """

    title: str
    run: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    lacks: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    role: str = "peer"


def _web(title: str, package: str, loop: str = "asyncio", **more: Any) -> Server:
    role = "own" if package == "bascule" else "peer"
    environment = more.pop("environment", {})
    options = {"package": package, "loop": loop, **more}
    needs = package + (" uvloop" if loop == "uvloop" else "")
    return Server(title, "serve_web", options, needs, environment=environment, role=role)


def _uvicorn(title: str, app: str, http: str, loop: str = "asyncio", role: str = "peer") -> Server:
    needs = f"uvicorn {app if app == 'starlette' else ''} {http if http == 'httptools' else ''}"
    needs += " uvloop" if loop == "uvloop" else ""
    options = {"app": app, "http": http, "loop": loop}
    return Server(title, "serve_uvicorn", options, needs, _lacks(app), role=role)


def _other(
    title: str, run: str, app: str, needs: str = "", role: str = "peer", **more: Any
) -> Server:
    return Server(title, run, {"app": app, **more}, needs, _lacks(app), role=role)


def _lacks(app: str) -> str:
    return {"asgi": f"{_RAW} full", "rsgi": f"{_RAW} stream full"}.get(app, "")


_SOME = "touched file stream upload upload-chunked ws16 ws64k ws-deflate full tls"
_LIMIT = f"json routes post referee body64k close {_SOME}"

SERVERS: dict[str, Server] = {
    "aiohttp": _web("aiohttp", "aiohttp"),
    "aiohttp-uvloop": _web("aiohttp, uvloop", "aiohttp", "uvloop"),
    "aiohttp-pure": _web(
        "aiohttp without C extensions",
        "aiohttp",
        environment={"AIOHTTP_NO_EXTENSIONS": "1"},
    ),
    "bascule": _web("bascule", "bascule"),
    "bascule-uvloop": _web("bascule, uvloop", "bascule", "uvloop"),
    "bascule-h11": _web('bascule, http="h11"', "bascule", http="h11"),
    "starlette-uvicorn-h11": _uvicorn("Starlette on uvicorn h11", "starlette", "h11"),
    "starlette-uvicorn-httptools": _uvicorn(
        "Starlette on uvicorn httptools", "starlette", "httptools"
    ),
    "starlette-uvicorn-httptools-uvloop": _uvicorn(
        "Starlette on uvicorn httptools, uvloop", "starlette", "httptools", "uvloop"
    ),
    "starlette-hypercorn": _other(
        "Starlette on hypercorn", "serve_hypercorn", "starlette", "hypercorn starlette"
    ),
    "starlette-granian": _other(
        "Starlette on granian", "serve_granian", "starlette", "granian starlette"
    ),
    "asgi-uvicorn-h11": _uvicorn("ASGI function on uvicorn h11", "asgi", "h11"),
    "asgi-uvicorn-httptools": _uvicorn("ASGI function on uvicorn httptools", "asgi", "httptools"),
    "asgi-uvicorn-httptools-uvloop": _uvicorn(
        "ASGI function on uvicorn httptools, uvloop", "asgi", "httptools", "uvloop"
    ),
    "asgi-hypercorn": _other("ASGI function on hypercorn", "serve_hypercorn", "asgi", "hypercorn"),
    "asgi-granian": _other("ASGI function on granian", "serve_granian", "asgi", "granian"),
    "rsgi-granian": _other(
        "RSGI function on granian", "serve_granian", "rsgi", "granian", interface="rsgi"
    ),
    "bascule-on-uvicorn": _uvicorn(
        "bascule on uvicorn httptools", "bascule", "httptools", role="guest"
    ),
    "bascule-on-uvicorn-uvloop": _uvicorn(
        "bascule on uvicorn httptools, uvloop", "bascule", "httptools", "uvloop", role="guest"
    ),
    "bascule-on-granian": _other(
        "bascule on granian, ASGI", "serve_granian", "bascule", "granian", "guest"
    ),
    "bascule-on-granian-rsgi": _other(
        "bascule on granian, RSGI",
        "serve_granian",
        "bascule",
        "granian",
        "guest",
        interface="rsgi",
    ),
    "asgi-on-bascule": _other("ASGI function on bascule", "serve_hosted", "asgi", role="host"),
    "asgi-on-bascule-uvloop": _other(
        "ASGI function on bascule, uvloop",
        "serve_hosted",
        "asgi",
        "uvloop",
        role="host",
        loop="uvloop",
    ),
    "starlette-on-bascule": _other(
        "Starlette on bascule", "serve_hosted", "starlette", "starlette", "host"
    ),
    "sanic": Server("sanic", "serve_sanic", {"loop": "asyncio"}, "sanic", _SOME),
    "sanic-uvloop": Server("sanic, uvloop", "serve_sanic", {"loop": "uvloop"}, "sanic", _SOME),
    "blacksheep": Server(
        "BlackSheep on uvicorn httptools",
        "serve_uvicorn",
        {"app": "blacksheep", "http": "httptools"},
        "blacksheep uvicorn httptools",
        _SOME,
    ),
    "limit-protocol": Server(
        "limit: asyncio.Protocol, canned answer",
        "serve_protocol",
        {"kind": "canned"},
        lacks=_LIMIT,
        role="limit",
    ),
    "limit-h11": Server(
        "limit: h11, canned answer", "serve_protocol", {"kind": "h11"}, "h11", _LIMIT, role="limit"
    ),
}


def why_missing(name: str, python: str) -> str:
    """Tell what keeps a server from being measured here; nothing if it can.

    Args:
        name: of the server.
        python: the program that will run it; what another one has is not known here.
    """
    server = SERVERS[name]
    if python == sys.executable:
        missing = [each for each in server.needs.split() if importlib.util.find_spec(each) is None]
        if missing:
            return f"not installed: {', '.join(missing)}"
    if server.options.get("http") == "h11" and server.options.get("package") == "bascule":
        return "" if _has_http_option() else 'this bascule has no http="h11"'
    if server.options.get("interface") == "rsgi" and server.options.get("app") == "bascule":
        return "" if _has_rsgi() else "this bascule has no __rsgi__"
    return ""


def _has_http_option() -> bool:
    """Whether the option is known: a runner logs the names of those that are not."""
    from bascule import web

    told: list[str] = []
    logger = logging.Logger("probe")
    logger.addFilter(lambda record: bool(told.append(record.getMessage())))

    async def probe() -> None:
        runner = web.AppRunner(web.Application(), http="h11", logger=logger)
        await runner.setup()
        await runner.cleanup()

    asyncio.run(probe())
    return not any("http" in each for each in told)


def _has_rsgi() -> bool:
    from bascule import web

    return hasattr(web.Application, "__rsgi__")
