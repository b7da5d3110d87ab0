"""`bascule.test_utils` does what ``aiohttp.test_utils`` does, each with its own package."""

import asyncio
import inspect
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any
from unittest import mock

import aiohttp.test_utils
import aiohttp.web
import pytest
from multidict import CIMultiDict
from yarl import URL

import bascule.streams
import bascule.test_utils
import bascule.web
from differential.differences import Difference
from differential.objects import Outcome, find_outcome
from differential.pairwise import pairwise


@dataclass(frozen=True)
class Kit:
    """A package: what is tested, and what it is tested with."""

    utils: Any
    web: Any
    stream: Callable[[bytes], Any]


def their_stream(data: bytes) -> Any:
    protocol = mock.Mock(_reading_paused=False)
    reader = aiohttp.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def our_stream(data: bytes) -> Any:
    reader = bascule.streams.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


THEIRS = Kit(aiohttp.test_utils, aiohttp.web, their_stream)
OURS = Kit(bascule.test_utils, bascule.web, our_stream)

Code = Callable[[Kit], Awaitable[Any]]


# -- what is told ---------------------------------------------------------------------------------


def attempt(code: Callable[[], Any]) -> Any:
    """Give the result, or what was raised; of assertions without their text, which is ours."""
    try:
        return code()
    except AssertionError:
        return "AssertionError"
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"


async def attempt_it(code: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await code()
    except AssertionError:
        return "AssertionError"
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"


# -- servers --------------------------------------------------------------------------------------

URLS: dict[str, Any] = {
    "root": "/",
    "path": "/a/b",
    "relative": "a",
    "empty": "",
    "query": "/a?b=c#d",
    "query alone": "?b=c",
    "quoted": "/%20ü",
    "url": URL("/x y"),
    "encoded url": URL("/%2F", encoded=True),
    "absolute": "http://other/x",
    "absolute url": URL("https://other/x"),
    "of another host": "//other/x",
    "number": 7,
}
SERVERS: dict[str, list[Any]] = {
    "kind": ["application", "handler"],
    "start": ["explicit", "block", "client", "client's block", "never"],
    "host": ["127.0.0.1", "localhost", "::1", "0.0.0.0"],
    "scheme": ["", "http", "https"],
    "port": ["any", "given"],
    "skips": [False, True],
    "url": [*URLS],
}


def make_server(kit: Kit, row: Mapping[str, Any], **kwargs: Any) -> Any:
    async def handler(request: Any) -> Any:
        return kit.web.Response(text=f"{request.method} {request.path} {request.scheme}")

    kwargs = {"host": row["host"], "scheme": row["scheme"], "skip_url_asserts": row["skips"]}
    if row["port"] == "given":
        kwargs["port"] = free_port(row["host"])
    if row["kind"] == "handler":
        return kit.utils.RawTestServer(handler, **kwargs)
    app = kit.web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return kit.utils.TestServer(app, **kwargs)


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def tell_server(server: Any, url: Any) -> list[Any]:
    port = server.port
    address = attempt(lambda: str(server.make_url(url)))
    return [
        (server.started, server.closed, port is None),
        (server.scheme, server.host, type(server.runner).__name__),
        attempt(lambda: type(server.handler).__name__),
        address.replace(f":{port}", ":P"),
        hasattr(server, "app"),
    ]


def serve(row: Mapping[str, Any]) -> Code:
    async def code(kit: Kit) -> Any:
        server = make_server(kit, row)
        url = URLS[row["url"]]
        told = [tell_server(server, url)]
        if row["start"] == "explicit":
            await server.start_server()
            await server.start_server()  # does nothing
        elif row["start"] == "block":
            entered = await server.__aenter__()
            told.append([entered is server])
        elif row["start"] == "never":
            await server.close()
            return [*told, tell_server(server, url)]
        closer = server
        if row["start"].startswith("client"):
            closer = kit.utils.TestClient(server)
            if "block" in row["start"]:
                told.append([await closer.__aenter__() is closer])
            else:
                await closer.start_server()
        told.append(tell_server(server, url))
        await closer.close()
        await closer.close()
        told.append(tell_server(server, url))
        await server.start_server()  # does nothing any more
        return [*told, tell_server(server, url)]

    return code


def named(prefix: str, row: Mapping[str, Any]) -> str:
    return f"{prefix}/" + ", ".join(map(str, row.values()))


ROWS = {named("server", row): serve(row) for row in pairwise(SERVERS)}


async def start_with_tls(kit: Kit) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = kit.utils.TestServer(kit.web.Application(), ssl=context)  # without effect
    await server.start_server(ssl=context)
    told = [server.scheme, server.make_url("/").scheme]
    await server.close()
    return told


async def make_sockets(kit: Kit) -> Any:
    asked: list[Any] = []

    def factory(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
        asked.append((host, port, family))
        sock: socket.socket = kit.utils.get_port_socket(host, port, family)
        return sock

    app = kit.web.Application()
    async with kit.utils.TestServer(app, host="::1", socket_factory=factory) as server:
        return asked, server.port > 0


async def use_options(kit: Kit) -> Any:
    server = kit.utils.TestServer(kit.web.Application())
    await server.start_server(loop=None, shutdown_timeout=3, debug=True, access_log=None)
    told = [server.runner._shutdown_timeout, server.handler.handler_cancellation]
    await server.close()
    return told


async def use_raw_options(kit: Kit) -> Any:
    async def fail(request: Any) -> Any:
        raise ValueError("a secret")

    told = []
    for options in ({}, {"debug": False}):
        server = kit.utils.RawTestServer(fail)
        await server.start_server(**options)
        async with kit.utils.TestClient(server) as client:
            async with client.get("/") as response:
                told.append((response.status, "a secret" in await response.text()))
            told.append((server.handler.handler_cancellation, client.app))
    return told


async def start_a_failing_application(kit: Kit) -> Any:
    log = []

    async def context(app: Any) -> Any:
        log.append("enter")
        yield
        log.append("exit")

    async def fail(app: Any) -> None:
        raise ValueError("no")

    app = kit.web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    server = kit.utils.TestServer(app)
    told = [await attempt_it(server.start_server), server.started, server.closed, list(log)]
    await server.close()
    return [*told, server.closed, log]


async def start_without_a_port(kit: Kit) -> Any:
    def refuse(*arguments: Any) -> Any:
        raise OSError("no socket")

    server = kit.utils.TestServer(kit.web.Application(), socket_factory=refuse)
    told = [await attempt_it(server.start_server), server.started, server.port]
    await server.close()
    return [*told, server.closed]


async def give_cancellation(kit: Kit) -> Any:
    server = kit.utils.TestServer(kit.web.Application())
    try:
        await server.start_server(handler_cancellation=False)
        told = server.handler.handler_cancellation
        await server.close()
    except TypeError:
        return "TypeError"
    return told


async def serve_nothing(kit: Kit) -> Any:
    server = kit.utils.TestServer(None)
    return (await attempt_it(server.start_server)).partition(":")[0]


async def use_blocks(kit: Kit) -> Any:
    server = kit.utils.TestServer(kit.web.Application())
    client = kit.utils.TestClient(server)
    told = [attempt(server.__enter__), attempt(client.__enter__)]
    told += [server.__exit__(None, None, None), client.__exit__(None, None, None)]
    await client.close()
    return told


async def look_at_classes(kit: Kit) -> Any:
    utils = kit.utils
    made = (utils.BaseTestServer, utils.TestServer, utils.RawTestServer, utils.TestClient)
    return [
        *[(cls.__name__, cls.__test__, inspect.isabstract(cls)) for cls in made],
        attempt(utils.BaseTestServer).replace("methods", "method"),
        utils.TestClient[kit.web.Request, kit.web.Application].__args__[0].__name__,
    ]


# -- clients --------------------------------------------------------------------------------------

CLIENTS: dict[str, list[Any]] = {
    "method": ["get", "post", "put", "patch", "delete", "head", "options", "request"],
    "form": ["await", "block", "task"],
    "path": ["/a", URL("/a b"), "a?b=c", "http://other/"],
    "kind": ["application", "handler"],
}


def ask(row: Mapping[str, Any]) -> Code:
    async def code(kit: Kit) -> Any:
        plain = {"host": "127.0.0.1", "scheme": "", "port": "any", "skips": False}
        server = make_server(kit, {**row, **plain})
        async with kit.utils.TestClient(server, headers={"X-A": "1"}) as client:
            told = [client.app is getattr(server, "app", None), client.server is server]
            told += [client.host == server.host, client.port == server.port]
            return [*told, await attempt_it(lambda: tell_answer(client, row))]

    return code


async def tell_answer(client: Any, row: Mapping[str, Any]) -> list[Any]:
    method = ["TRACE"] if row["method"] == "request" else []
    call = getattr(client, row["method"])(*method, row["path"])
    if row["form"] == "block":
        async with call as response:
            text = await response.text()
    else:
        response = await (asyncio.create_task(call) if row["form"] == "task" else call)
        text = await response.text()
    return [response.status, text, response.request_info.headers["X-A"], response.method]


async def keep_cookies(kit: Kit) -> Any:
    """Also those of addresses."""

    async def handler(request: Any) -> Any:
        response = kit.web.Response(text=request.cookies.get("a", "none"))
        response.set_cookie("a", "b")
        return response

    app = kit.web.Application()
    app.router.add_get("/", handler)
    async with kit.utils.TestClient(kit.utils.TestServer(app)) as client:
        seen = [await (await client.get("/")).text() for _ in range(2)]
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"a": "given"})
    async with kit.utils.TestClient(kit.utils.TestServer(kit.web.Application())) as client:
        other = kit.utils.TestClient(client.server, cookie_jar=jar)
        seen.append(other.session.cookie_jar is jar)
        await other.session.close()
    return seen


async def refuse_what_is_no_server(kit: Kit) -> Any:
    return [attempt(lambda e=each: kit.utils.TestClient(e)) for each in (None, 5)]


async def ask_when_not_running(kit: Kit) -> Any:
    client = kit.utils.TestClient(kit.utils.TestServer(kit.web.Application()))
    told = [await attempt_it(lambda: client.get("/")), client.port, client.session.closed]
    await client.start_server()
    await client.close()
    told += [client.session.closed, client.server.closed, client.port]
    return [*told, await attempt_it(lambda: client.get("/"))]


# -- mocked requests ------------------------------------------------------------------------------

HEADERS: dict[str, Any] = {
    "none": None,
    "host": {"Host": "h.org:8080", "X-A": "ü"},
    "pairs": [("A", "b"), ("a", "c")],
    "keep-alive": {"Connection": "keep-alive"},
    "close": {"Connection": "close"},
    "upgrade": {"Connection": "Upgrade", "Upgrade": "h2c"},
    "upgrade to nothing": {"Connection": "Upgrade"},
    "upgrade among others": {"Connection": "keep-alive, Upgrade", "Upgrade": "h2c"},
    "chunked": {"Transfer-Encoding": "gzip, Chunked"},
    "described": {"Content-Type": "a/b; charset=c", "Content-Length": "3"},
    "cookie": {"Cookie": "a=b; c=d"},
    "conditions": {"If-None-Match": '"x"', "Range": "bytes=1-2"},
}
VERSIONS = {"1.1": (1, 1), "1.0": (1, 0), "0.9": (0, 9)}
REQUESTS: dict[str, list[Any]] = {
    "method": ["GET", "post", "CONNECT", ""],
    "path": ["/", "/a/b?c=d", "/%20 ?a b", "/ü", "*", "x", "", "/a#b"],
    "headers": [*HEADERS],
    "version": [*VERSIONS],
    "closing": [False, True],
    "match_info": ["none", {}, {"a": "b"}],
    "app": ["none", "application"],
    "tls": [False, True],
    "payload": ["none", b"a=1"],
    "connection": ["none", "transport", "protocol", "both", "writer"],
    "limits": ["none", "given"],
}


def make_request(kit: Kit, row: Mapping[str, Any]) -> Any:
    kwargs: dict[str, Any] = {"closing": row["closing"]}
    kwargs["version"] = aiohttp.HttpVersion(*VERSIONS[row["version"]])
    if row["match_info"] != "none":
        kwargs["match_info"] = row["match_info"]
    if row["app"] != "none":
        kwargs["app"] = kit.web.Application()
    if row["tls"]:
        kwargs["sslcontext"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if row["payload"] != "none":
        kwargs["payload"] = kit.stream(row["payload"])
    if row["connection"] in ("transport", "both"):
        kwargs["transport"] = mock.Mock()
        kwargs["transport"].get_extra_info = lambda name: ("1.2.3.4", 5)
    if row["connection"] in ("protocol", "both"):
        # These three are properties of aiohttp's own protocol; ours asks the transport.
        kwargs["protocol"] = mock.Mock(peername=None, sockname=("127.0.0.1", 80), ssl_context=None)
    if row["connection"] == "writer":
        kwargs["writer"] = mock.Mock()
    if row["limits"] == "given":
        kwargs |= {"client_max_size": 5, "client_max_fields": 6}
    request = kit.utils.make_mocked_request(
        row["method"], row["path"], HEADERS[row["headers"]], **kwargs
    )
    for name in ("transport", "protocol", "writer", "app"):
        assert kwargs.get(name) in (None, getattr(request, name))
    return request


_ATTRIBUTES = [
    *("method", "path", "path_qs", "raw_path", "rel_url", "query", "query_string", "url", "host"),
    *("remote", "scheme", "secure", "version", "keep_alive", "headers", "raw_headers", "cookies"),
    *("content_type", "charset", "content_length", "client_max_size", "client_max_fields"),
    *("body_exists", "can_read_body", "has_body", "if_none_match", "http_range", "match_info"),
]
_MOCKS = ["app", "loop", "task", "protocol", "transport", "writer"]


def mocked(row: Mapping[str, Any]) -> Code:
    async def code(kit: Kit) -> Any:
        request = make_request(kit, row)
        told = [(name, attempt(lambda n=name: getattr(request, n))) for name in _ATTRIBUTES]
        told += [(name, type(getattr(request, name)).__name__) for name in _MOCKS]
        told.append(("apps", [app is request.app for app in request.match_info.apps]))
        told.append(("protocol's", request.protocol.transport is request.transport))
        told.append(("protocol's", request.protocol.writer is request.writer))
        told.append(("payload's", request._payload_writer is request.writer))
        told.append(("message", repr(request.message)))
        told.append(("body", await attempt_it(request.read)))
        told.append(("form", await attempt_it(request.post)))
        return [repr(request), told]

    return code


# aiohttp asks a protocol that was given for facts that ours asks its transport for.
MOCKED = {
    named("mocked", row): mocked(row)
    for row in pairwise(REQUESTS)
    if not (row["connection"] in ("protocol", "both") and row["tls"])
    and row["connection"] != "both"
}


async def store_in_a_mocked_application(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/")
    key = kit.web.AppKey("key", int)
    request.app[key] = 1
    own = kit.web.RequestKey("key", int)
    request[own] = 2
    signal = request.app.on_response_prepare
    told = [request.app[key], request.config_dict[key], request[own], signal.frozen, list(signal)]
    told += [isinstance(request.app, kit.web.Application), attempt(lambda: request.app[own])]
    return [str(each) for each in told]


async def look_into_a_mocked_application(kit: Kit) -> Any:
    app = kit.utils.make_mocked_request("GET", "/").app
    key = kit.web.AppKey("key", int)
    app[key] = 1
    return [app.get(key) == 1, len(app), [*app] == [key], key in app]


async def ask_for_facts(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/")
    names = ("peername", "sockname", "sslcontext", "other")
    told = [request.transport.get_extra_info(name) for name in names]
    return [*told, *[attempt(lambda n=name: request.get_extra_info(n)) for name in names]]


async def clone(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/a", {"A": "b"}, match_info={"c": "d"})
    other = request.clone(method="PUT", rel_url="/z?y", headers={"E": "f"}, host="h", remote="r")
    told = [repr(other), other.path_qs, [*other.headers.items()], other.host, other.remote]
    return [*told, other.app is request.app, other.match_info == {"c": "d"}]


async def mistake_arguments(kit: Kit) -> Any:
    make = kit.utils.make_mocked_request
    return [
        attempt(lambda: make("GET", "/", match_info=None)),
        attempt(lambda: make("GET", "/", {"A": 5})).partition(":")[0],
        attempt(lambda: make("GET", "/", {}, {})).partition("(")[0],
        attempt(lambda: make("GET", None)),
    ]


async def find_the_target_of_another_host(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "http://h.org:81/x?y#z")
    told = [request.path, request.path_qs, request.raw_path, request.rel_url, request.query_string]
    return [*told, request.url, request.scheme]


# -- what responses tell the writer ---------------------------------------------------------------

RESPONSES: dict[str, Callable[[Any], Any]] = {
    "text": lambda web: web.Response(text="text"),
    "nothing": lambda web: web.Response(),
    "no content": lambda web: web.Response(status=204),
    "not modified": lambda web: web.Response(status=304, reason="Same"),
    "json": lambda web: web.json_response({"a": 1}, status=201),
    "exception": lambda web: web.HTTPFound("/elsewhere"),
    "stream": lambda web: web.StreamResponse(),
    "long stream": lambda web: web.StreamResponse(headers={"Content-Length": "2"}),
    "file type": lambda web: web.Response(body=b"x", content_type="a/b", headers={"X-A": "1"}),
}
ANSWERS: dict[str, list[Any]] = {
    "response": [*RESPONSES],
    "method": ["GET", "HEAD"],
    "version": ["1.1", "1.0"],
    "closing": [False, True],
    "change": ["none", "cookie", "close", "chunks"],
    "prepared": ["once", "twice"],
    "signal": ["none", "frozen", "open"],
}


class Telling:
    """A writer that notes down what it is told, but for what only real writers need."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.length: int | None = None
        self.output_size = 0
        self._chunked = False

    def enable_chunking(self) -> None:
        self._chunked = True

    def send_headers(self) -> None:
        """Do nothing: the first piece sends them too."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        kept = [pair for pair in headers.items() if pair[0] not in ("Date", "Server")]
        missing = {"Date", "Server"} - headers.keys()
        self.told.append([status_line, kept, sorted(missing), self.length, self._chunked])

    async def write(self, data: bytes) -> None:
        self.told.append(["write", data])

    async def write_eof(self, data: bytes = b"") -> None:
        self.told.append(["write_eof", data])

    async def drain(self) -> None:
        self.told.append("drain")


def answered(row: Mapping[str, Any]) -> Code:
    async def code(kit: Kit) -> Any:
        app = kit.web.Application()
        app.on_response_prepare.append(mark)
        if row["signal"] == "frozen":
            app.freeze()
        request = kit.utils.make_mocked_request(
            row["method"],
            "/",
            version=aiohttp.HttpVersion(*VERSIONS[row["version"]]),
            closing=row["closing"],
            app=None if row["signal"] == "none" else app,
            writer=Telling(),
        )
        response = RESPONSES[row["response"]](kit.web)
        told = await attempt_it(lambda: answer(request, response, row))
        return [told, request.writer.told, response.keep_alive, response.status, repr(response)]

    return code


async def mark(request: Any, response: Any) -> None:
    response.headers["X-Mark"] = request.method


async def answer(request: Any, response: Any, row: Mapping[str, Any]) -> Any:
    if row["change"] == "cookie":
        response.set_cookie("a", "b")
    elif row["change"] == "close":
        response.force_close()
    elif row["change"] == "chunks":
        response.enable_chunked_encoding()
    begun = await response.prepare(request)
    same = row["prepared"] == "once" or begun is await response.prepare(request)
    if "stream" in row["response"]:
        await response.write(b"a")
        await response.write(b"b")
    await response.write_eof()
    return same, response.prepared, await response.prepare(request) is None


# A stream to HEAD, and chunks where there is no body, are differences of their own.
ANSWERED = {
    named("answer", row): answered(row)
    for row in pairwise(ANSWERS)
    if not (row["method"] == "HEAD" and ("stream" in row["response"] or row["change"] == "chunks"))
    and not (row["change"] == "chunks" and row["response"] in ("no content", "not modified"))
}


async def answer_twice(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/", writer=Telling())
    for text in ("1", "2"):
        response = kit.web.Response(text=text)
        await response.prepare(request)
        await response.write_eof()
    await kit.web.Response().prepare(request)
    return request.writer.told


async def open_a_websocket(kit: Kit) -> Any:
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    fields |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "b, a"}
    transport = mock.Mock()
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    request = kit.utils.make_mocked_request(
        "GET", "/", fields, transport=transport, writer=Telling()
    )
    websocket = kit.web.WebSocketResponse(protocols=["a", "b"], timeout=0)
    told = [tuple(websocket.can_prepare(request))]
    await websocket.prepare(request)
    told += [websocket.ws_protocol, websocket.prepared, websocket.closed]
    await websocket.send_str("text")
    await websocket.send_json({"a": 1})
    await websocket.close(code=1001, message=b"bye")
    written = [call.args[0] for call in transport.write.call_args_list]
    return [*told, request.writer.told[0][:3], written, websocket.closed, websocket.close_code]


async def refuse_a_websocket(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/")
    websocket = kit.web.WebSocketResponse()
    told = [tuple(websocket.can_prepare(request))]
    return [*told, await attempt_it(lambda: websocket.prepare(request)), websocket.prepared]


async def answer_to_the_mock(kit: Kit) -> Any:
    request = kit.utils.make_mocked_request("GET", "/")
    response = kit.web.Response(text="x")
    await response.prepare(request)
    await response.write_eof()
    names = [call[0] for call in request.writer.mock_calls]
    return names, request.writer.write_headers.call_args[0][0], request.writer.length


# -- the rest -------------------------------------------------------------------------------------


async def mock_coroutines(kit: Kit) -> Any:
    make = kit.utils.make_mocked_coro
    plain, failing = make("result"), make(raise_exception=KeyError("x"))
    told = [await plain(1, a=2), plain.call_args, type(plain).__name__]
    return [*told, await attempt_it(failing), failing.call_count, plain.called]


async def find_ports(kit: Kit) -> Any:
    told: list[Any] = [type(kit.utils.unused_port()).__name__]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with kit.utils.get_unused_port_socket(host, family) as sock:
            told.append((sock.family, sock.getsockname()[0], sock.getsockname()[1] > 0))
            told.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) > 0)
    with kit.utils.get_unused_port_socket("127.0.0.1") as sock:
        port = sock.getsockname()[1]
    with kit.utils.get_port_socket("127.0.0.1", port, socket.AF_INET) as again:
        told.append(again.getsockname()[1] == port)
    return told


async def use_loops(kit: Kit) -> Any:
    return await asyncio.to_thread(use_loops_in_a_thread, kit.utils)


def use_loops_in_a_thread(utils: Any) -> Any:
    told = []
    loop = utils.setup_test_loop()
    told.append(asyncio.get_event_loop() is loop)
    loop.call_soon(told.append, "was due")
    utils.teardown_test_loop(loop)
    told.append(loop.is_closed())
    utils.teardown_test_loop(loop, fast=True)
    with utils.loop_context(fast=True) as own:
        told.append(own.run_until_complete(asyncio.sleep(0, "ran")))
    told.append(own.is_closed())
    told.append(attempt(asyncio.get_event_loop).split("'")[0])
    with utils.loop_context(asyncio.SelectorEventLoop) as own:
        told.append(type(own).__name__)
    return told


async def mark_methods(kit: Kit) -> Any:
    marked = kit.utils.unittest_run_loop(use_loops)
    return marked is use_loops


async def compare_signatures(kit: Kit) -> Any:
    """What can be given by which name, in which order, with which default."""
    made = {**vars(kit.utils), "close": kit.utils.TestClient.close}
    told = {}
    for name in sorted(NAMES):
        parameters = inspect.signature(made[name]).parameters.values()
        told[name] = [f"{each.kind.name} {each.name} {tell_default(each)}" for each in parameters]
    return told


def tell_default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, str | int | tuple | None):
        return repr(value)
    return getattr(value, "__name__", "an object")


NAMES = {
    *("BaseTestServer", "TestServer", "RawTestServer", "TestClient", "AioHTTPTestCase"),
    *("get_port_socket", "get_unused_port_socket", "unused_port", "unittest_run_loop"),
    *("loop_context", "setup_test_loop", "teardown_test_loop", "close"),
    "make_mocked_request",
}

CODES: dict[str, Code] = {
    **ROWS,
    **{named("client", row): ask(row) for row in pairwise(CLIENTS)},
    **MOCKED,
    **ANSWERED,
    "server/tls": start_with_tls,
    "server/socket factory": make_sockets,
    "server/options": use_options,
    "server/raw options": use_raw_options,
    "server/failing application": start_a_failing_application,
    "server/no socket": start_without_a_port,
    "server/cancellation": give_cancellation,
    "server/no application": serve_nothing,
    "server/plain blocks": use_blocks,
    "server/classes": look_at_classes,
    "client/cookies": keep_cookies,
    "client/no server": refuse_what_is_no_server,
    "client/not running": ask_when_not_running,
    "mocked/items": store_in_a_mocked_application,
    "mocked/mapping": look_into_a_mocked_application,
    "mocked/facts": ask_for_facts,
    "mocked/clone": clone,
    "mocked/mistakes": mistake_arguments,
    "mocked/another host": find_the_target_of_another_host,
    "answer/twice": answer_twice,
    "answer/mock": answer_to_the_mock,
    "answer/websocket": open_a_websocket,
    "answer/no websocket": refuse_a_websocket,
    "rest/coroutines": mock_coroutines,
    "rest/ports": find_ports,
    "rest/loops": use_loops,
    "rest/run loop": mark_methods,
    "rest/signatures": compare_signatures,
}


# -- the differences that are meant ---------------------------------------------------------------


def _give(result: Any) -> Callable[[Outcome, str], Outcome]:
    return lambda theirs, name: replace(theirs, result=result)


TEST_UTILS_DIFFERENCES: list[Difference] = [
    Difference(
        name="a test server that fails to start is cleaned up, and may be started again",
        reason="aiohttp leaves it half started; behind a failed `async with` nobody closes it.",
        cases=("server/failing application", "server/no socket"),
        rewrite=lambda theirs, name: replace(
            theirs,
            result=["OSError: no socket", False, None, False]
            if name == "server/no socket"
            else ["ValueError: no", False, False, ["enter", "exit"], False, ["enter", "exit"]],
        ),
    ),
    Difference(
        name="test servers let handlers run on when `start_server` is told so",
        reason="By `handler_cancellation=False`, which is a TypeError in aiohttp.",
        cases=("server/cancellation",),
        rewrite=_give(False),
    ),
    Difference(
        name="the application of a mocked request is a mapping of what it stores",
        reason="aiohttp's gives what was stored by brackets alone.",
        cases=("mocked/mapping",),
        rewrite=_give([True, 1, True, True]),
    ),
    Difference(
        name="mocked requests tell facts of the connection",
        reason="aiohttp's `get_extra_info` raises a TypeError with the mock that it makes.",
        cases=("mocked/facts",),
        rewrite=_give(
            [None, ["127.0.0.1", 80], None, None, None, ["127.0.0.1", 80], None, None],
        ),
    ),
]


@pytest.mark.parametrize("name", CODES)
async def test_test_utils_are_those_of_aiohttp(name: str) -> None:
    code = CODES[name]
    theirs = expected = forget_places(await find_outcome(THEIRS, code))
    for difference in TEST_UTILS_DIFFERENCES:
        if difference.covers(name):
            expected = difference.rewrite(expected, name)
    ours = forget_places(await find_outcome(OURS, code))
    if ours != expected:
        text = f"{name}\n  aiohttp: {theirs}\n  expected: {expected}\n  bascule: {ours}"
        pytest.fail(text, pytrace=False)


def forget_places(outcome: Outcome) -> Outcome:
    """Leave out where warnings point at, which is not the same file in each kind of case."""
    return replace(outcome, warned=tuple(replace(one, place=None) for one in outcome.warned))


PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in TEST_UTILS_DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
async def test_each_pattern_still_has_a_difference(difference: Difference, pattern: str) -> None:
    for name, code in CODES.items():
        if fnmatchcase(name, pattern):
            theirs = await find_outcome(THEIRS, code)
            assert difference.rewrite(theirs, name) != theirs


def test_all_names_of_aiohttp_are_there() -> None:
    told = [name for name in aiohttp.test_utils.__dict__ if is_defined_there(name)]
    assert sorted(told) == bascule.test_utils.__all__


def is_defined_there(name: str) -> bool:
    module = getattr(getattr(aiohttp.test_utils, name), "__module__", None)
    return not name.startswith("_") and module == "aiohttp.test_utils"
