"""What a request tells of its connection, and how a handler ends it, on every host."""

from typing import Any

import pytest

from bascule import web
from bascule.abc import AbstractStreamWriter
from support.features import Feature


@pytest.mark.every_host
async def test_requests_have_a_transport_and_a_protocol(serve: Any) -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        seen["peer"] = request.transport.get_extra_info("peername") == request.protocol.peername
        seen["same"] = request.protocol is request.protocol
        seen["transport"] = request.protocol.transport is request.transport
        seen["closing"] = request.transport.is_closing()
        seen["remote"] = request.protocol.peername[0] == request.remote
        seen["sockname"] = request.get_extra_info("sockname") == request.protocol.sockname
        seen["tls"] = request.protocol.ssl_context
        return web.Response(text="x")

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/")).text == "x"
    assert seen == {
        "peer": True,
        "same": True,
        "transport": True,
        "closing": False,
        "remote": True,
        "sockname": True,
        "tls": None,
    }


@pytest.mark.parametrize("how", ["protocol", "transport", "close"])
@pytest.mark.every_host
async def test_a_handler_can_drop_its_connection(serve: Any, how: str) -> None:
    """As with aiohttp, no answer follows; what the handler still returns is lost."""

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        if how == "protocol":
            request.protocol.force_close()
        elif how == "transport":
            request.transport.abort()
        else:
            request.transport.close()
        return web.Response(text="lost")

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    if client.lacks(Feature.DROPS):
        assert (await client.get("/")).status == 500
    else:
        with pytest.raises(ConnectionResetError):
            await client.get("/")


async def test_protocol_close_lets_the_answer_out(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        request.protocol.close()
        return web.Response(text="whole")

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    answer = await client.get("/")
    assert answer.text == "whole"
    if client.host == "socket":
        assert answer.fields["Connection"] == "close"


async def test_deprecated_names_of_requests_warn(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        with pytest.warns(DeprecationWarning, match=r"request\.loop property is deprecated"):
            assert request.loop.is_running()
        with pytest.warns(DeprecationWarning, match=r"Deprecated, use \.can_read_body #2005"):
            return web.json_response(request.has_body)

    app = web.Application()
    app.router.add_post("/", handler)
    client = await serve(app)
    assert (await client.post("/", body=b"x")).text == "true"
    assert (await client.post("/", fields={"Content-Length": "0"})).text == "false"


async def test_the_writer_sends_the_body(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        assert isinstance(request.writer, AbstractStreamWriter)
        await request.writer.write(b"straight ")
        await request.writer.write_eof(b"through")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/")).text == "straight through"
