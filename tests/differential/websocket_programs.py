"""How WebSockets begin, live and end, after the values of a case; and all programs by name."""

import asyncio
from typing import Any

from .websocket_messages import MESSAGE_PROGRAMS, cancel, read_on
from .websockets import Client, Program, Talk, close_frame, frame, show, tell

__all__ = ["PROGRAMS"]


# -- closes


async def _serve_closes(talk: Talk, request: Any) -> Any:
    case = talk.case
    autoclose = case.get("autoclose", True)
    ws = talk.web.WebSocketResponse(timeout=_choose_timeout(case), autoclose=autoclose)
    await ws.prepare(request)
    pending = None
    if _has_receiver(case):
        pending = asyncio.create_task(talk.attempt("pending", ws.receive))
        await asyncio.sleep(0)
    if case["first"] == "client":
        talk.reach("close")
        await (pending or talk.attempt("receive", ws.receive, ws))
    if case["closes"] != "never":
        await _close(talk, ws)
    if pending is not None:
        await pending
    if case["closes"] != "never" or case["first"] == "client":
        await _receive_behind(talk, ws)
    return _leave(talk, ws)


def _has_receiver(case: dict[str, Any]) -> bool:
    """Whether another task receives."""
    return case["first"] == "pending" or (
        case["first"] == "client" and case.get("receiver") == "task"
    )


def _choose_timeout(case: dict[str, Any]) -> float:
    return 0.05 if case["answer"] == "nothing" else 5.0


async def _close(talk: Talk, ws: Any) -> None:
    case = talk.case
    how = {"code": case["code"], "message": case["reason"], "drain": case.get("drain", True)}

    def close(what: str) -> Any:
        return talk.attempt(what, lambda: ws.close(**how), ws)

    if case["closes"] == "cancelled":
        closing = asyncio.create_task(close("close"))
        await asyncio.sleep(0)
        await cancel(talk, closing)
    elif case["closes"] == "at once":
        await asyncio.gather(close("close"), close("the other close"))
    else:
        await close("close")
        if case["closes"] == "twice":
            await close("close again")


async def _receive_behind(talk: Talk, ws: Any) -> None:
    for _ in range(6):
        if isinstance(await talk.attempt("receive", ws.receive, ws), Exception):
            break


def _leave(talk: Talk, ws: Any) -> Any:
    web = talk.web
    leaving = talk.case.get("leaves", "websocket")
    if leaving == "error":
        raise ValueError("in a handler")
    if leaving == "cancelled":
        raise asyncio.CancelledError
    if leaving == "http error":
        raise web.HTTPNotFound
    return {"websocket": ws, "None": None, "response": web.Response(text="x")}[leaving]


async def _ask_closes(talk: Talk, client: Client) -> None:
    case = talk.case
    if not await client.open(talk.request()):
        return
    client.answers = False
    if case["first"] == "client":
        await talk.wait("close")
        client.send(close_frame(3000, b"client"))
        return
    if case["closes"] == "never" or not await client.take():
        return
    answer = case["answer"]
    if answer == "the same":
        client.send(close_frame(case["code"] if 1000 <= case["code"] < 5000 else 1000))
    elif answer == "empty":
        client.send(close_frame(None))
    elif answer == "another":
        client.send(frame(1, b"text") + frame(9, b"ping") + close_frame(3000, b"another"))
    elif answer == "broken":
        client.send(frame(3))
    elif answer == "leaves":
        client.leave()
    elif answer == "ends":
        client.finish()


# -- closing from another task


async def _serve_call_back(talk: Talk, request: Any) -> Any:
    """Another task closes while the handler receives, or has still to receive."""
    case = talk.case
    ws = talk.web.WebSocketResponse(timeout=_choose_timeout(case))
    await ws.prepare(request)
    begun = asyncio.Event()

    async def close() -> None:
        begun.set()
        talk.note("closer", await ws.close(code=1001), talk.state(ws))

    if case["when"] == "while it receives":
        task = asyncio.get_running_loop().create_task(_close_soon(close))
    else:
        task = asyncio.create_task(close())
        await begun.wait()
        await asyncio.sleep(0)
    if case["how"] == "iterate":
        async for message in ws:
            talk.note("message", tell(message), talk.state(ws))
    elif case["how"] == "while open":
        # Bounded, for a loop that never yields would stop everything.
        for _ in range(20):
            if ws.closed:
                break
            talk.note(tell(await ws.receive()))
        talk.note("closed" if ws.closed else "still open after 20 calls")
    else:
        await talk.attempt("receive", ws.receive)
    talk.note("handler", talk.state(ws))
    await task
    return ws


async def _close_soon(close: Any) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await close()


async def _ask_call_back(talk: Talk, client: Client) -> None:
    if not await client.open(talk.request()):
        return
    client.answers = False
    await client.take()
    if talk.case["answer"] != "nothing":
        client.send(close_frame(1001))


# -- before it is opened


async def _serve_prepare(talk: Talk, request: Any) -> Any:
    case = talk.case
    web = talk.web
    ws = web.WebSocketResponse(protocols=("one",))
    _tell_attributes(talk, ws, "before")
    for change in case["changes"]:
        await talk.attempt(change, lambda change=change: CHANGES[change](web, ws))
    if case["body"] == "read":
        talk.note(await request.read())
    for call in case["calls"]:
        await talk.attempt(call, lambda call=call: CALLS[call](ws, request), ws)
    first = await ws.prepare(request)
    talk.note("the same:", await ws.prepare(request) is first)
    _tell_attributes(talk, ws, "open")
    for call in case["calls"]:
        if call != "receive" and not call.startswith(("write_eof", "close")):
            await talk.attempt(call, lambda call=call: CALLS[call](ws, request), ws)
    if case["calls"]:
        other = web.WebSocketResponse()
        talk.note(
            "another:",
            (await talk.attempt("can_prepare", lambda: bool(other.can_prepare(request)))),
        )
    await talk.attempt("close", ws.close)
    _tell_attributes(talk, ws, "closed")
    return ws


def _tell_attributes(talk: Talk, ws: Any, when: str) -> None:
    names = ("status", "reason", "prepared", "closed", "close_code", "ws_protocol", "compress")
    names += ("keep_alive", "chunked", "body_length", "compression", "content_type")
    names += ("content_length", "charset", "last_modified", "etag")
    for name in names:
        try:
            value = getattr(ws, name)
        except Exception as exc:
            value = tell(exc)
        talk.note(when, name, bool(value) if name == "body_length" else show(value))
    hidden = ("Date", "Server")
    talk.note(when, "headers", [pair for pair in ws.headers.items() if pair[0] not in hidden])
    talk.note(when, repr(ws), bool(ws), ws.task is None if hasattr(ws, "task") else "")
    talk.note(when, "peer", ws.get_extra_info("peername", "none") != "none")
    talk.note(when, "unknown", ws.get_extra_info("unknown", "none"), ws.get_extra_info("unknown"))


def _set(name: str, value: Any) -> Any:
    return lambda web, ws: setattr(ws, name, value)


CHANGES: dict[str, Any] = {
    "set_status": lambda web, ws: ws.set_status(202, "Fine"),
    "header": lambda web, ws: ws.headers.update({"X-Own": "yes"}),
    "own upgrade": lambda web, ws: ws.headers.update({"Upgrade": "h2c", "Connection": "close"}),
    "own protocol": lambda web, ws: ws.headers.update({"Sec-WebSocket-Protocol": "own"}),
    "own date": lambda web, ws: ws.headers.update({"Server": "mine"}),
    "cookie": lambda web, ws: ws.set_cookie("name", "value", httponly=True),
    "del_cookie": lambda web, ws: ws.del_cookie("name"),
    "force_close": lambda web, ws: ws.force_close(),
    "compression": lambda web, ws: ws.enable_compression(),
    "chunked": lambda web, ws: ws.enable_chunked_encoding(),
    "content type": _set("content_type", "text/x"),
    "content length": _set("content_length", 5),
    "item": lambda web, ws: ws.__setitem__("key", "value"),
}
CALLS: dict[str, Any] = {
    "can_prepare": lambda ws, request: ws.can_prepare(request),
    "write": lambda ws, request: ws.write(b"x"),
    "write text": lambda ws, request: ws.write("x"),
    "write_eof": lambda ws, request: ws.write_eof(),
    "close": lambda ws, request: ws.close(),
    "receive": lambda ws, request: ws.receive(),
    "set_status": lambda ws, request: ws.set_status(200),
    "enable_compression": lambda ws, request: ws.enable_compression(),
    "enable_chunked_encoding": lambda ws, request: ws.enable_chunked_encoding(),
    "set_cookie": lambda ws, request: ws.set_cookie("late", "x"),
    "exception": lambda ws, request: ws.exception(),
    "drain": lambda ws, request: hasattr(ws, "drain"),
}


async def _ask_prepare(talk: Talk, client: Client) -> None:
    await client.open(talk.request(more="Sec-WebSocket-Protocol: one"))


async def _serve_late(talk: Talk, request: Any) -> Any:
    """Open it when the client has left."""
    ws = talk.web.WebSocketResponse()
    talk.reach("leave")
    await talk.wait("left")
    for _ in range(20):  # that it has left comes through the loop
        await asyncio.sleep(0)
    talk.note("transport is None:", request.transport is None)
    if talk.case["call"] == "can_prepare":
        await talk.attempt("can_prepare", lambda: bool(ws.can_prepare(request)))
    await talk.attempt("prepare", lambda: ws.prepare(request), ws)
    await talk.attempt("receive", ws.receive, ws)
    return ws


async def _ask_late(talk: Talk, client: Client) -> None:
    client.send(talk.request())
    await talk.wait("leave")
    if talk.case["leaves"] == "leaves":
        client.leave()
    else:
        client.finish()
    talk.reach("left")


# -- heartbeats


async def _serve_heart(talk: Talk, request: Any) -> Any:
    ws = talk.web.WebSocketResponse(
        heartbeat=talk.case["heartbeat"], autoping=talk.case["autoping"], timeout=5.0
    )
    await ws.prepare(request)
    if talk.case["busy"]:
        await talk.wait("beaten")
    await read_on(talk, ws)
    return ws


async def _ask_heart(talk: Talk, client: Client) -> None:
    case = talk.case
    if not await client.open(talk.request()):
        return
    for _ in range(case["answered"]):
        if not await client.take():
            break
        client.send(HEARTBEATS[case["answer"]])
    talk.reach("beaten")
    if case["then"] == "closes":
        client.answers = False
        client.send(close_frame(1000))


HEARTBEATS = {
    "pong": frame(10, b""),
    "text": frame(1, b"alive"),
    "ping": frame(9, b"and you"),
    "half a frame": frame(1, b"half")[:3],
}


# -- the end of a server, and handlers that go on


async def _serve_work(talk: Talk, request: Any) -> Any:
    """Go on behind a close with something that is not the WebSocket's."""
    case = talk.case
    ws = talk.web.WebSocketResponse(timeout=0.1 if case["ends"] == "server in vain" else 5.0)
    await ws.prepare(request)
    if case["ends"].startswith("server"):
        await talk.attempt("close", lambda: ws.close(code=1001), ws)
        for _ in range(20):  # the end of a transport comes through the loop
            await asyncio.sleep(0)
        transport = request.transport
        talk.note("cut:", transport is None or transport.is_closing())
    elif case["ends"] != "silently":
        talk.reach("end")
        await talk.attempt("receive", ws.receive, ws)
    else:
        talk.reach("end")
    try:
        async with asyncio.timeout(0.4):
            await asyncio.Event().wait()
    except TimeoutError:
        talk.note("has worked on")
    except asyncio.CancelledError:
        talk.note("was cancelled")
        raise
    return ws


async def _ask_work(talk: Talk, client: Client) -> None:
    if not await client.open(talk.request()):
        return
    ends = talk.case["ends"]
    if ends.startswith("server"):
        client.answers = ends == "server"
        return
    await talk.wait("end")
    if ends == "cleanly":
        client.answers = False
        client.send(close_frame(1000))
    else:
        client.leave()


async def _serve_stop(talk: Talk, request: Any) -> Any:
    ws = talk.ws = talk.web.WebSocketResponse(timeout=_choose_timeout(talk.case))
    await ws.prepare(request)
    talk.reach("stop")
    handler = talk.case["handler"]
    if handler == "iterates":
        async for message in ws:
            talk.note("message", tell(message))
        talk.note("end", talk.state(ws))
    elif handler == "receives":
        await talk.attempt("receive", ws.receive, ws)
    else:
        try:
            async with asyncio.timeout(1.5):
                await asyncio.Event().wait()
        except TimeoutError:
            talk.note("has worked on")
    return ws


async def _ask_stop(talk: Talk, client: Client) -> None:
    if await client.open(talk.request()):
        client.answers = talk.case["answer"] == "the same"
        await talk.wait("stop")


PROGRAMS = {
    **MESSAGE_PROGRAMS,
    "closes": Program(_serve_closes, _ask_closes),
    "call back": Program(_serve_call_back, _ask_call_back),
    "prepare": Program(_serve_prepare, _ask_prepare),
    "late": Program(_serve_late, _ask_late),
    "heart": Program(_serve_heart, _ask_heart),
    "work": Program(_serve_work, _ask_work),
    "stop": Program(_serve_stop, _ask_stop),
}
