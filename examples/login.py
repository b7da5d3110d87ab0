"""A login, by a form and by JSON: `python examples/login.py`; ann's password is "secret".

Open http://127.0.0.1:8080/, or try `curl -i -d '{"name": "ann", "password": "secret"}'
http://127.0.0.1:8080/api/login`. Either way a cookie holds the random token of a session.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from html import escape
from pathlib import Path

from bascule import web

PASSWORDS = web.AppKey("passwords", dict[str, bytes])  # as hashes, by name
SESSIONS = web.AppKey("sessions", dict[str, str])  # names, by token
MAX_SESSIONS = 10_000
SALT = secrets.token_bytes(16)  # where hashes are kept, each has its own
FORM = Path(__file__).with_name("login.html").read_text(encoding="utf-8")


def hash_password(text: str) -> bytes:
    return hashlib.scrypt(text.encode(errors="surrogatepass"), salt=SALT, n=2**14, r=8, p=1)


async def log_in(request: web.Request, login: Mapping[str, object], answer: web.Response) -> None:
    """Check name and password, and let the answer bring the token of a new session."""
    name, password = login.get("name"), login.get("password")
    if not isinstance(name, str) or not isinstance(password, str):
        raise web.HTTPBadRequest(text="A login has a name and a password.")
    given = await asyncio.to_thread(hash_password, password)  # slow on purpose, also for strangers
    if not hmac.compare_digest(given, request.app[PASSWORDS].get(name, b"")):
        raise web.HTTPUnauthorized(text="Wrong name or password.")
    sessions, token = request.app[SESSIONS], secrets.token_urlsafe()
    if len(sessions) >= MAX_SESSIONS:
        del sessions[next(iter(sessions))]  # the oldest
    sessions[token] = name
    # Scripts do not see it, and other sites cannot send it along.
    answer.set_cookie("session", token, httponly=True, samesite="Lax", secure=request.secure)


async def login_by_form(request: web.Request) -> web.Response:
    form, answer = await request.post(), web.HTTPSeeOther("/")
    try:
        await log_in(request, form, answer)
    except web.HTTPClientError as exc:
        text = FORM.format(error=exc.text, name=escape(str(form.get("name", ""))))
        return web.Response(text=text, status=exc.status, content_type="text/html")
    raise answer


async def login_by_json(request: web.Request) -> web.Response:
    answer = web.json_response({"message": "Welcome."})
    try:
        login = await request.json()
        await log_in(request, login if isinstance(login, dict) else {}, answer)
    except (ValueError, LookupError, RecursionError):
        return web.json_response({"message": "This is no JSON."}, status=400)
    except web.HTTPClientError as exc:
        return web.json_response({"message": exc.text}, status=exc.status)
    return answer


async def index(request: web.Request) -> web.Response:
    name = request.app[SESSIONS].get(request.cookies.get("session", ""))
    text = FORM.format(error="", name="") if name is None else f"Hello, {escape(name)}!"
    return web.Response(text=text, content_type="text/html")


app = web.Application(client_max_size=4096)
app[PASSWORDS], app[SESSIONS] = {"ann": hash_password("secret")}, {}
app.router.add_get("/", index)
app.router.add_post("/login", login_by_form)
app.router.add_post("/api/login", login_by_json)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
