"""What handlers and clients say to each other by WebSockets, after the values of a case."""

import asyncio
import json
import zlib
from typing import Any

from .websockets import Client, Program, Talk, close_frame, deflate, frame, tell

__all__ = ["ARGUMENTS", "MESSAGE_PROGRAMS", "PAYLOADS", "cancel", "read_on"]

# A handler that misses the end stops here.
_ENOUGH = 9
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
PAYLOADS: dict[str, bytes] = {
    "empty": b"",
    "short": b"hi",
    "euro": "\u20ac".encode(),
    "lone byte": b"a\xff",
    "half": b"\xe2\x82",
    "9": b"x" * 9,
    "10": b"x" * 10,
    "125": b"x" * 125,
    "126": b"x" * 126,
    "70000": b"x" * 70000,
}


def _options(case: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: case[name] for name in names if name in case}


# -- handshakes


async def _serve_handshake(talk: Talk, request: Any) -> Any:
    case = talk.case
    ws = talk.web.WebSocketResponse(**_options(case, "protocols", "compress"))
    await talk.attempt("can_prepare", lambda: ws.can_prepare(request))
    try:
        await ws.prepare(request)
    except talk.web.HTTPException as exc:
        talk.note("prepare ->", type(exc).__name__, repr(exc.text))
        raise
    talk.note(ws.ws_protocol, ws.compress, ws.status, request.method)
    await talk.attempt("receive", ws.receive, ws)
    await talk.attempt("send", lambda: ws.send_str("behind the close"), ws)
    return ws


async def _ask_handshake(talk: Talk, client: Client) -> None:
    case = talk.case
    lines = [f"{name}: {value}" for name, value in case.get("fields", ()) if value is not None]
    if case.get("body"):
        lines.append(f"Content-Length: {len(case['body'])}")
    names = ("method", "version", "upgrade", "connection", "wanted", "key")
    request = talk.request(more="\r\n".join(lines), **_options(case, *names))
    if await client.open(request + case.get("body", b"")):
        client.answers = False
        client.send(close_frame())


# -- frames of the client


async def _serve_frames(talk: Talk, request: Any) -> Any:
    names = ("autoping", "autoclose", "decode_text", "max_msg_size")
    ws = talk.web.WebSocketResponse(timeout=5.0, **_options(talk.case, *names))
    await ws.prepare(request)
    await read_on(talk, ws)
    return ws


async def read_on(talk: Talk, ws: Any) -> None:
    if talk.case.get("how") == "iterate":
        async for message in ws:
            talk.note("message", tell(message), talk.state(ws))
        talk.note("end", talk.state(ws))
        return
    for _ in range(_ENOUGH):
        if isinstance(await talk.attempt("receive", ws.receive, ws), Exception):
            break


async def _ask_frames(talk: Talk, client: Client) -> None:
    case = talk.case
    deflated = case.get("extension")
    extension = f"Sec-WebSocket-Extensions: {deflated}" if deflated else ""
    data = _place(case, _make_frames(case))
    request = talk.request(more=extension)
    client.answers = case.get("answers", True)
    if case.get("arrival") == "with the handshake":
        await client.open(request + data)
    elif not await client.open(request):
        return
    elif case.get("arrival") == "bytes":
        await client.send_slowly(data)
    else:
        client.send(data)


def _place(case: dict[str, Any], data: bytes) -> bytes:
    before, behind = {
        "first": (b"", close_frame(1001)),
        "behind text": (frame(1, b"first"), close_frame(1001)),
        "in a message": (frame(1, b"a", fin=False), frame(0, b"b") + close_frame(1001)),
        "behind a close": (close_frame(3001, b"early"), b""),
    }[case.get("position", "first")]
    return before + data + behind


def _make_frames(case: dict[str, Any]) -> bytes:
    if "message" in case:
        return DEFLATED[case["message"]]()
    if "code" in case:
        code, reason = case["code"], case["reason"]
        payload = b"\x03" if code == "half" else reason if code is None else None
        return frame(8, payload) if payload is not None else close_frame(code, reason)
    data = PAYLOADS[case["payload"]]
    opcode, fin = case["opcode"], case.get("fin", True)
    more = {"rsv": case.get("rsv", 0), "mask": case.get("mask", True), "bits": case.get("bits", 7)}
    made = frame(opcode, data, fin=fin, size=case.get("size"), **more)
    rest = case.get("rest")
    if rest == "continued":
        made += frame(0, b"", fin=False) + frame(0, b"\xac" if data[-1:] == b"\x82" else b"end")
    return made


def _in_parts() -> bytes:
    data = deflate(b"in parts " * 20)
    ping = frame(9, b"between")
    head = frame(1, data[:5], fin=False, rsv=4)
    return head + ping + frame(0, data[5:9], fin=False) + frame(0, data[9:])


def _twice() -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    parts = [deflate(b"the same text, the same text", compressor) for _ in range(2)]
    return b"".join(frame(1, part, rsv=4) for part in parts)


def _rsv_on_continuation() -> bytes:
    data = deflate(b"abcdefgh")
    return frame(1, data[:3], fin=False, rsv=4) + frame(0, data[3:], rsv=4)


DEFLATED = {
    "text": lambda: frame(1, deflate("caf\u00e9 ".encode() * 9), rsv=4),
    "binary": lambda: frame(2, deflate(b"\xff\x00" * 30), rsv=4),
    "empty": lambda: frame(1, deflate(b""), rsv=4),
    "no bytes": lambda: frame(1, b"", rsv=4),
    "in parts": _in_parts,
    "twice": _twice,
    "plain between": lambda: frame(1, b"plain") + _twice() + frame(2, b"plain"),
    "plain in parts": lambda: frame(1, b"pl", fin=False) + frame(0, b"ain"),
    "99 bytes": lambda: frame(2, deflate(b"x" * 99), rsv=4),
    "100 bytes": lambda: frame(2, deflate(b"x" * 100), rsv=4),
    "bomb": lambda: frame(2, deflate(b"\0" * 5_000_000), rsv=4),
    "garbage": lambda: frame(1, b"\xff\xff\xff\xff", rsv=4),
    "lone byte": lambda: frame(1, deflate(b"a\xffb"), rsv=4),
    "lone byte early": lambda: frame(1, deflate(b"a\xffb"), rsv=4, fin=False) + frame(0, b"\0"),
    "ping": lambda: frame(9, b"p", rsv=4) + frame(1, b"hi"),
    "ping compressed": lambda: frame(9, deflate(b"p"), rsv=4),
    "close": lambda: frame(8, b"\x03\xe9", rsv=4),
    "continuation": _rsv_on_continuation,
}


# -- what the handler sends


async def _serve_sends(talk: Talk, request: Any) -> Any:
    case = talk.case
    autoclose = case["state"] != "close not answered"
    ws = talk.web.WebSocketResponse(timeout=5.0, autoclose=autoclose)
    if case["state"] == "before":
        await _send(talk, ws)
    await ws.prepare(request)
    talk.note("compress", ws.compress != 0)
    if case["state"] == "closing":
        return await _send_while_closing(talk, ws)
    if case["state"] == "closed":
        await talk.attempt("close", ws.close)
    elif case["state"] == "gone":
        talk.reach("leave")
        await talk.attempt("receive", ws.receive, ws)
    elif case["state"] in ("close came", "close not answered"):
        talk.reach("close")
        await talk.attempt("receive", ws.receive, ws)
    await _send(talk, ws)
    return ws


async def _send_while_closing(talk: Talk, ws: Any) -> Any:
    closing = asyncio.create_task(ws.close())
    await asyncio.sleep(0)
    await _send(talk, ws)
    talk.reach("answer")
    talk.note("closed:", await closing, talk.state(ws))
    return ws


async def _send(talk: Talk, ws: Any) -> None:
    case = talk.case
    method, argument = case["method"], ARGUMENTS[case["argument"]]
    if isinstance(argument, str) and method in ("send_bytes", "send_frame"):
        argument = argument.encode() if case["argument"] in ("fitting", "long text") else argument
    args: dict[str, Any] = {}
    if "compress" in case:
        args["compress"] = case["compress"]
    if method == "send_json_bytes":
        args["dumps"] = (lambda data: json.dumps(data).encode()) if case["dumps"] else json.dumps
    if method == "send_frame":
        args["opcode"] = case["opcode"]
    # What goes before and behind shows whether the compressors of both ends still agree.
    again = "and again, and again"
    await talk.attempt("before", lambda: ws.send_str(again), ws)
    await talk.attempt(method, lambda: getattr(ws, method)(argument, **args), ws)
    await talk.attempt("behind", lambda: ws.send_str(again), ws)


# It repeats itself only far behind, so that windows matter.
_LONG_TEXT = " ".join(str(number * number) for number in range(9000)) * 2
ARGUMENTS: dict[str, Any] = {
    "fitting": "fitting fitting",
    "long text": _LONG_TEXT,
    "text": "t\u00e9xt t\u00e9xt",
    "no text": "",
    "lone surrogate": "\ud800",
    "bytes": b"bytes bytes",
    "close": b"\x0b\xb8bye",
    "no bytes": b"",
    "bytearray": bytearray(b"array"),
    "memoryview": memoryview(b"view"),
    "words": memoryview(b"0123").cast("H"),
    "125": b"x" * 125,
    "126": b"x" * 126,
    "long": b"x" * 70000,
    "int": 5,
    "None": None,
    "list": [1, "a"],
    "set": {1},
}


async def _ask_sends(talk: Talk, client: Client) -> None:
    deflated = talk.case.get("extension")
    extension = f"Sec-WebSocket-Extensions: {deflated}" if deflated else ""
    if not await client.open(talk.request(more=extension)):
        return
    state = talk.case["state"]
    if state == "closing":
        client.answers = False
        await talk.wait("answer")
        client.send(close_frame())
    elif state == "gone":
        await talk.wait("leave")
        client.leave()
    elif state in ("close came", "close not answered"):
        await talk.wait("close")
        client.answers = False
        client.send(close_frame(4000))


# -- what the handler receives


async def _serve_receives(talk: Talk, request: Any) -> Any:
    case = talk.case
    options = {"autoping": False} if case["message"] in ("ping", "pong") else {}
    if case["timeout"].endswith("constructor"):
        options["receive_timeout"] = _choose_limit(case)
    ws = talk.web.WebSocketResponse(timeout=5.0, **options)
    await ws.prepare(request)
    if case["before"] == "cancelled":
        await cancel(talk, asyncio.create_task(_receive(talk, ws)))
    elif case["before"] == "concurrent":
        await _receive_at_once(talk, ws)
    elif case["before"] == "timed out":
        await talk.attempt("receive", lambda: ws.receive(timeout=0.01), ws)
    talk.reach("go")
    for number in range(2):
        await talk.attempt(f"{case['method']} {number}", lambda: _receive(talk, ws), ws)
    return ws


def _choose_limit(case: dict[str, Any]) -> float:
    return 0.02 if case["message"] == "nothing" else 5.0


def _receive(talk: Talk, ws: Any) -> Any:
    case = talk.case
    if case["method"] == "__anext__":
        return _next(ws)
    limits = {"argument": _choose_limit(case), "zero and constructor": 0, "long": 5.0}
    timeout = limits.get(case["timeout"])
    more = {} if timeout is None else {"timeout": timeout}
    if case["method"] == "receive_json" and case["message"] == "binary json":
        more["loads"] = lambda data: [type(data).__name__]
    return getattr(ws, case["method"])(**more)


async def _next(ws: Any) -> Any:
    try:
        return await ws.__anext__()
    except StopAsyncIteration:
        return "the end"


async def cancel(talk: Talk, task: "asyncio.Task[Any]") -> None:
    for _ in range(2):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        talk.note("cancelled")
    except TimeoutError:
        talk.note("timed out")


async def _receive_at_once(talk: Talk, ws: Any) -> None:
    first = asyncio.create_task(ws.receive())
    await asyncio.sleep(0)
    await talk.attempt("second", lambda: _receive(talk, ws), ws)
    await cancel(talk, first)


RECEIVED = {
    "text": frame(1, b"text"),
    "json": frame(1, b'{"a": 1}'),
    "binary": frame(2, b"binary"),
    "binary json": frame(2, b"[1]"),
    "ping": frame(9, b"p"),
    "pong": frame(10, b"p"),
    "close": close_frame(1001, b"going"),
    "bad frame": frame(3, b""),
}


async def _ask_receives(talk: Talk, client: Client) -> None:
    if not await client.open(talk.request()):
        return
    await talk.wait("go")
    message = talk.case["message"]
    if message == "leaves":
        client.leave()
    elif message == "ends":
        client.finish()
    elif message != "nothing":
        client.send(RECEIVED[message] * 2)


MESSAGE_PROGRAMS = {
    "handshake": Program(_serve_handshake, _ask_handshake),
    "frames": Program(_serve_frames, _ask_frames),
    "sends": Program(_serve_sends, _ask_sends),
    "receives": Program(_serve_receives, _ask_receives),
}
