"""The application: pages, and the sockets of the rooms."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bascule
from bascule import web

from .history import History
from .rooms import Member, Room, Rooms

__all__ = ["create_app"]

HISTORY = web.AppKey("history", History)
ROOMS = web.AppKey("rooms", Rooms)
PAGE = Path(__file__).with_name("page.html")
_MAX_TEXT = 2000

routes = web.RouteTableDef()


@routes.get("/")
async def start(request: web.Request) -> web.Response:
    """Send whoever comes to the first room."""
    raise web.HTTPFound("/rooms/lobby")


@routes.get(r"/rooms/{room:\w{1,40}}", name="room")
async def page(request: web.Request) -> web.FileResponse:
    """Show the page, which opens a socket."""
    return web.FileResponse(PAGE)


@routes.get(r"/rooms/{room:\w{1,40}}/socket")
async def socket(request: web.Request) -> web.WebSocketResponse:
    """Let somebody into a room until the socket closes."""
    name = request.query.get("name", "").strip()[:40]
    if not name:
        raise web.HTTPBadRequest(text="Who are you? Say ?name=...")
    ws = web.WebSocketResponse(heartbeat=30, max_msg_size=16 * 1024)
    await ws.prepare(request)
    room_name = request.match_info["room"]
    room, history = request.app[ROOMS][room_name], request.app[HISTORY]
    for message in await history.last(room_name):
        await ws.send_json({"type": "message", **asdict(message)})
    async with _being_in(room, Member(name, ws)):
        async for received in ws:
            if received.type is bascule.WSMsgType.TEXT and (text := received.data.strip()):
                said = await history.add(room_name, name, text[:_MAX_TEXT])
                room.tell({"type": "message", **asdict(said)})
    return ws


@contextlib.asynccontextmanager
async def _being_in(room: Room, member: Member) -> AsyncIterator[None]:
    passing_on = asyncio.create_task(member.pass_on())
    room.enter(member)
    try:
        yield
    finally:
        room.leave(member)
        passing_on.cancel()
        await asyncio.gather(passing_on, return_exceptions=True)


def create_app(database: str) -> web.Application:
    """Make the application; its history is kept in this file."""

    async def history(app: web.Application) -> AsyncIterator[Any]:
        await app[HISTORY].open()
        yield
        await app[HISTORY].close()

    app = web.Application()
    app[HISTORY], app[ROOMS] = History(database), Rooms()
    app.cleanup_ctx.append(history)
    app.add_routes(routes)
    return app
