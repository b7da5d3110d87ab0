"""Data of the application, and of one request: `python examples/shared_data.py`.

An `AppKey` keeps what lives as long as the application, a `RequestKey` what a middleware has found
out about one request; both are typed. Try `curl -u ann:secret http://127.0.0.1:8080/`.
"""

import base64
import binascii
import hmac
from collections import Counter

from bascule import web

PASSWORDS = web.AppKey("passwords", dict[str, str])
VISITS = web.AppKey("visits", Counter[str])
USER = web.RequestKey("user", str)


@web.middleware
async def authenticate(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Find out who asks, and let nobody else pass."""
    name, password = parse_basic(request.headers.get("Authorization", ""))
    expected = request.app[PASSWORDS].get(name, "")
    if not expected or not hmac.compare_digest(password.encode(), expected.encode()):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="visits"'})
    request[USER] = name
    return await handler(request)


def parse_basic(field: str) -> tuple[str, str]:
    """Give name and password of an Authorization field; empty if it holds none."""
    scheme, _, token = field.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


async def count(request: web.Request) -> web.Response:
    user, visits = request[USER], request.app[VISITS]
    visits[user] += 1
    return web.Response(text=f"{user}: {visits[user]} of {visits.total()} visits\n")


app = web.Application(middlewares=[authenticate])
app[PASSWORDS] = {"ann": "secret", "bob": "geheim"}
app[VISITS] = Counter()
app.add_routes([web.get("/", count)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
