"""A front end that re-sends requests to another server: `python examples/reverse_proxy.py`.

Bodies stream both ways. The other server is `$UPSTREAM`, or that of `python -m http.server 8000`.
Under uvicorn it needs `--no-proxy-headers`, else it believes what clients say of themselves.
"""

import os
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bascule import web

UPSTREAM = web.AppKey("upstream", URL)
SESSION = web.AppKey("session", aiohttp.ClientSession)
TIMEOUT = float(os.environ.get("UPSTREAM_TIMEOUT", "60"))  # seconds in which nothing comes
# Fields of one connection (RFC 9110 section 7.6.1).
OF_CONNECTION = "connection,keep-alive,proxy-connection,te,trailer,transfer-encoding,upgrade,expect"


def pass_on(fields: CIMultiDictProxy[str], without: str = OF_CONNECTION) -> CIMultiDict[str]:
    """Leave out what belongs to the connection, always or because Connection says so."""
    # In one spelling: of fields that differ in case alone, aiohttp's client sends the last.
    passed = CIMultiDict((name.lower(), value) for name, value in fields.items())
    for name in ",".join([without, *fields.getall("Connection", [])]).split(","):
        passed.popall(name.strip(), None)
    return passed


async def resend(request: web.Request) -> aiohttp.ClientResponse:
    # This is the front: nobody before it is trusted.
    fields = pass_on(request.headers, f"{OF_CONNECTION},host,forwarded")
    fields["X-Forwarded-For"] = request.remote or "unknown"
    fields["X-Forwarded-Host"] = request.host
    fields["X-Forwarded-Proto"] = request.scheme
    fields.add("via", "1.1 front")
    url = f"{request.app[UPSTREAM].origin()}{request.rel_url.raw_path_qs}"
    body = request.content.iter_any() if request.body_exists else None
    return await request.app[SESSION].request(
        request.method, URL(url, encoded=True), headers=fields, data=body, allow_redirects=False
    )


async def proxy(request: web.Request) -> web.StreamResponse:
    try:
        upstream = await resend(request)
    except TimeoutError:
        raise web.HTTPGatewayTimeout(text="The server behind is too slow.\n") from None
    except aiohttp.ClientError:
        raise web.HTTPBadGateway(text="The server behind cannot be reached.\n") from None
    async with upstream:
        response = web.StreamResponse(status=upstream.status, headers=pass_on(upstream.headers))
        await response.prepare(request)
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    return response


async def open_session(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),  # else clients would share their cookies
        skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
        timeout=aiohttp.ClientTimeout(sock_connect=TIMEOUT, sock_read=TIMEOUT),
    ) as app[SESSION]:
        yield


# Who leaves takes the request to the server behind along. Compressed bodies stay as they are.
app = web.Application(handler_args={"handler_cancellation": True, "auto_decompress": False})
app[UPSTREAM] = URL(os.environ.get("UPSTREAM", "http://127.0.0.1:8000"))
app.cleanup_ctx.append(open_session)
app.router.add_route("*", "/{path:.*}", proxy)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
