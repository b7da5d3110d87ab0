"""What is seen on aiohttp of WebSockets, rewritten into what must be seen on bascule."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1
from typing import Any

from .websocket_messages import ARGUMENTS, PAYLOADS
from .websockets import Talked, show

__all__ = [
    "CANNOT_WRITE",
    "DEFLATE",
    "agree",
    "answer_failed_hook",
    "answer_pings_early",
    "check_ping",
    "close_by_frame",
    "count_bytes",
    "cut_reason",
    "drop",
    "edit",
    "go_away",
    "join_protocols",
    "keep_whole",
    "let_close_arrive",
    "limit_inflated",
    "list_upgrade",
    "refuse_code",
    "refuse_deflated",
    "refuse_opcode",
    "refuse_reserved",
    "refuse_unmasked",
    "send_frames_only",
    "send_no_code",
    "send_nothing_behind",
    "send_plain",
    "send_within",
    "send_zero_plain",
    "settle",
    "show_bytes",
    "tell_in_words",
    "tell_missing_start",
    "tell_other_fault",
    "wait_for_close",
]

Case = dict[str, Any]
Rewrite = Callable[[Talked, Case], Talked]


def edit(pattern: str, new: str) -> Rewrite:
    """Make a rewrite that replaces in each step."""

    def rewrite(theirs: Talked, case: Case) -> Talked:
        return replace(theirs, steps=tuple(re.sub(pattern, new, step) for step in theirs.steps))

    return rewrite


# -- handshakes

_REFUSED_UPGRADE = 'No WebSocket UPGRADE hdr: {}\n Can "Upgrade" only to "WebSocket".'
_KEYS = (b"dGhlIHNhbXBsZSBub25jZQ==", b"AAAAAAAAAAAAAAAAAAAAAA==")


def _judge(case: Case) -> tuple[str, str]:
    """Find what a handshake is refused for, and in which words; "" for nothing."""
    tokens = [token.strip().lower() for token in (case["upgrade"] or "").split(",")]
    connection, key = case["connection"], case["key"]
    if case["version"] == "1.0":
        return "version", _REFUSED_UPGRADE.format(case["upgrade"])
    if "websocket" not in tokens:
        return "upgrade", _REFUSED_UPGRADE.format(case["upgrade"])
    if connection not in ("Upgrade", "upgrade", "keep-alive, Upgrade"):
        return "connection", f"No CONNECTION upgrade hdr: {connection}"
    if case["method"] != "GET":
        return "method", f"Handshake error: the method is {case['method']}, not GET"
    if case["wanted"] not in ("13", "8", "7"):
        return "wanted", f"Unsupported version: {case['wanted'] or ''}"
    if key not in _KEYS:
        shown = None if key is None else key.decode("utf-8", "surrogateescape")
        return "key", f"Handshake error: {shown!r}"
    if case["body"]:
        return "body", "A request with a body cannot become a WebSocket"
    return "", ""


def settle(*reasons: str) -> Rewrite:
    """Make a rewrite that answers what is refused for one of these reasons, or for none."""

    def rewrite(theirs: Talked, case: Case) -> Talked:
        reason, text = _judge(case)
        if reason not in reasons:
            return theirs
        return _refuse(case, reason, text) if reason else _open(case)

    return rewrite


def _refuse(case: Case, reason: str, text: str) -> Talked:
    steps = (
        "can_prepare -> WebSocketReady(ok=False, protocol=None) ",
        f"prepare -> HTTPBadRequest {text!r}",
        "raised HTTPBadRequest: Bad Request",
    )
    size = len(text.encode("utf-8", "surrogateescape")) if "udcff" not in repr(text) else 25
    head = ["HTTP/1.1 400 Bad Request"]
    if reason == "wanted":
        head.append("Sec-WebSocket-Version: 13, 8, 7")
    head += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {size}"]
    keeps = "keep-alive" in (case["connection"] or "")
    if case["version"] == "1.0" and keeps:
        head.append("Connection: keep-alive")
    if case["method"] != "HEAD":
        head.append(repr(text))
    goes_on = keeps or case["version"] == "1.1"
    return Talked(steps, tuple(head), (), "stays open" if goes_on else "closed")


def _open(case: Case) -> Talked:
    accept = b64encode(sha1(case["key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    steps = (
        "can_prepare -> WebSocketReady(ok=True, protocol=None) ",
        "None 0 101 GET",
        "receive -> CLOSE 1000 '' | closed 1000",
        f"send -> {CANNOT_WRITE} | closed 1000",
    )
    head = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: upgrade",
        f"Sec-WebSocket-Accept: {accept.decode()}",
    )
    return Talked(steps, head, ("CLOSE 1000 b''",), "closed")


CANNOT_WRITE = "ConnectionResetError: Cannot write to closing transport"


def list_upgrade(theirs: Talked, case: Case) -> Talked:
    return settle("connection", "method", "wanted", "key", "body", "")(theirs, case)


def join_protocols(theirs: Talked, case: Case) -> Talked:
    """Agree on the protocol of the second field."""
    if "b" not in case["protocols"]:
        return theirs
    steps = (theirs.steps[0].replace("None", "'b'"), "b 0 101 GET", *theirs.steps[2:])
    return replace(theirs, steps=steps, head=(*theirs.head, "Sec-WebSocket-Protocol: b"))


# -- compression

DEFLATE = "permessage-deflate"
# What is agreed on for each offer that aiohttp answers otherwise: the parameters, and our window.
_AGREED: dict[str, tuple[str | None, int]] = {
    DEFLATE: ("; server_max_window_bits=12", 12),
    "Permessage-Deflate": ("; server_max_window_bits=12", 12),
    f"other|{DEFLATE}": ("; server_max_window_bits=12", 12),
    f"x-webkit-deflate-frame, {DEFLATE}": ("; server_max_window_bits=12", 12),
    f"{DEFLATE}; server_max_window_bits=15": ("; server_max_window_bits=12", 12),
    f"{DEFLATE}; server_max_window_bits=16, {DEFLATE}": ("; server_max_window_bits=12", 12),
    f"{DEFLATE}; server_no_context_takeover": (
        "; server_no_context_takeover; server_max_window_bits=12",
        12,
    ),
    f"{DEFLATE}; client_max_window_bits": (
        "; server_max_window_bits=12; client_max_window_bits=12",
        12,
    ),
    f"{DEFLATE}; client_max_window_bits=8": (
        "; server_max_window_bits=12; client_max_window_bits=8",
        12,
    ),
    f"{DEFLATE}; client_max_window_bits=9": (
        "; server_max_window_bits=12; client_max_window_bits=9",
        12,
    ),
    f"{DEFLATE}; client_max_window_bits=15": (
        "; server_max_window_bits=12; client_max_window_bits=12",
        12,
    ),
    f"{DEFLATE}; client_no_context_takeover": (
        "; client_no_context_takeover; server_max_window_bits=12",
        12,
    ),
    f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover": (
        "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
        12,
    ),
    f"{DEFLATE}; client_max_window_bits; server_max_window_bits=10": (
        "; server_max_window_bits=10; client_max_window_bits=12",
        10,
    ),
    f"{DEFLATE} ; client_max_window_bits ; server_max_window_bits = 10": (
        "; server_max_window_bits=10; client_max_window_bits=12",
        10,
    ),
    f'{DEFLATE}; server_max_window_bits="10"': ("; server_max_window_bits=10", 10),
    f"{DEFLATE}; client_max_window_bits=16": (None, 0),
    f"{DEFLATE}; server_max_window_bits": (None, 0),
    f"{DEFLATE}; server_max_window_bits=010": (None, 0),
    f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover": (None, 0),
}


def agree(theirs: Talked, case: Case) -> Talked:
    """Answer an offer of compression as is listed."""
    offer = case.get("extension") or "|".join(line[1] for line in case.get("fields", ()))
    if offer not in _AGREED or case.get("compress") is False or len(theirs.head) < 4:
        return theirs
    parameters, bits = _AGREED[offer]
    head = [line for line in theirs.head if not line.startswith("Sec-WebSocket-Extensions: ")]
    if parameters is not None:
        head.append(f"Sec-WebSocket-Extensions: {DEFLATE}{parameters}")
    steps = [re.sub(r"^None \d+ 101", f"None {bits} 101", step) for step in theirs.steps]
    return replace(theirs, steps=tuple(steps), head=tuple(head))


# -- frames of the client


def _break(theirs: Talked, case: Case, code: int, text: str) -> Talked:
    """End with an error behind what comes before the frames of the case."""
    if case.get("position") == "behind a close":
        return theirs
    before = theirs.steps[: case.get("position") == "behind text"]
    error = f"WebSocketError: {code} {text}"
    state = f"| closed 1006 {error}"
    if case["how"] == "iterate":
        behind = [f"message ERROR {error} None {state}", f"end {state}"]
    else:
        behind = [f"receive -> ERROR {error} None {state}"]
        behind += [f"receive -> CLOSED None None {state}"] * 4
        behind += [f"receive -> RuntimeError: WebSocket connection is closed. {state}"]
    return replace(theirs, steps=(*before, *behind), got=(f"CLOSE {code} b''",))


def refuse_unmasked(theirs: Talked, case: Case) -> Talked:
    if case["opcode"] > 8 and case["payload"] == "126":
        return theirs
    return _break(theirs, case, 1002, "Received a frame that is not masked")


def refuse_code(theirs: Talked, case: Case) -> Talked:
    code, reason = case["code"], case["reason"]
    if code is None and len(reason) > 1:
        code, reason = int.from_bytes(reason[:2]), reason[2:]
    if not isinstance(code, int) or (code != 1006 and code < 5000) or len(reason) > 123:
        return theirs
    return _break(theirs, case, 1002, f"Invalid close code: {code}")


_RESERVED = "Received frame with non-zero reserved bits"


def refuse_reserved(theirs: Talked, case: Case) -> Talked:
    """Refuse RSV1 where the frame is one of control, or of no kind that is known."""
    of_control = case.get("message", "").startswith(("ping", "close")) or (
        case.get("rsv") == 4 and case["opcode"] > 2
    )
    if not case["extension"] or not of_control:
        return theirs
    return _break(theirs, case, 1002, _RESERVED)


def refuse_deflated(theirs: Talked, case: Case) -> Talked:
    """Refuse what cannot be inflated, as soon as it comes."""
    if not case["extension"]:
        return theirs
    if case.get("message") == "lone byte early" and case["decode_text"]:
        return _break(theirs, case, 1007, "Invalid UTF-8 text message")
    if "message" in case or (case["rsv"], case["opcode"], case["payload"]) == (4, 1, "126"):
        return _break(theirs, case, 1002, "decompression failed")
    return theirs


def limit_inflated(theirs: Talked, case: Case) -> Talked:
    if not case["extension"] or case["max_msg_size"] != 100:
        return theirs
    return _break(theirs, case, 1009, "Message size 100 exceeds limit 100")


def show_bytes(theirs: Talked, case: Case) -> Talked:
    theirs = edit(r"bytearray\((b'.*?')\)", r"\1")(theirs, case)
    return edit(r"bytearray of", "bytes of")(theirs, case)


def tell_in_words(theirs: Talked, case: Case) -> Talked:
    told = "Invalid close frame: its payload has one byte"
    theirs = edit(r"Invalid close frame: \w+ 8 bytearray\(b'.*?'\)", told)(theirs, case)
    return edit("Decompressed message exceeds size", "Message size exceeds")(theirs, case)


def tell_missing_start(theirs: Talked, case: Case) -> Talked:
    """Tell of a continuation of nothing before its size."""
    size, limit = len(PAYLOADS[case["payload"]]), case["max_msg_size"]
    if case["position"] == "in a message" or not 0 < limit <= size:
        return theirs
    return _break(theirs, case, 1002, "Continuation frame for non started message")


def tell_other_fault(theirs: Talked, case: Case) -> Talked:
    """Tell of the place in a message before the reserved bits, where both are wrong."""
    if not case["extension"] or case.get("rsv", 4) != 4:
        return theirs
    opcode = {"text": 1, "continuation": 0}.get(case.get("message"), case.get("opcode"))
    within = case["position"] == "in a message"
    if within and opcode in (1, 2):
        told = f"The opcode in non-fin frame is expected to be zero, got {opcode}"
    elif opcode == 0 and not within and "message" not in case:
        told = "Continuation frame for non started message"
    elif opcode == 0:
        told = "RSV1 bit set in continuation frame"
    else:
        return theirs
    return edit(_RESERVED, told)(theirs, case)


def let_close_arrive(theirs: Talked, case: Case) -> Talked:
    """Let the client get the close that tells of an error."""
    errors = [re.search(r"ERROR WebSocketError: (\d+)", step) for step in theirs.steps]
    code = next((error[1] for error in errors if error), None)
    if code is None or any(each.startswith("CLOSE") for each in theirs.got):
        return theirs
    return replace(theirs, got=(*theirs.got, f"CLOSE {code} b''"))


# -- what is sent


def _leave_plain(theirs: Talked, case: Case) -> Talked:
    """Send the message of the case without compression."""
    sent = f"{case['method']} -> None | open"
    if not any(step.startswith(sent) for step in theirs.steps):
        return theirs
    before, sent, *behind = theirs.got
    return replace(theirs, got=(before, sent.removesuffix(" compressed"), *behind))


def send_zero_plain(theirs: Talked, case: Case) -> Talked:
    return _leave_plain(theirs, case) if case.get("compress") == 0 else theirs


def send_within(theirs: Talked, case: Case) -> Talked:
    """Send the message of the case, with a window that zlib takes and the client has."""
    if case["compress"] != 8 and "what cannot be inflated" not in theirs.got[1]:
        return theirs
    steps = tuple(re.sub(r"-> ValueError: .* \|", "-> None |", step) for step in theirs.steps)
    method, text = case["method"], ARGUMENTS[case["argument"]]
    data = json.dumps(text).encode() if method == "send_json" else text.encode()
    sent = f"{'BINARY' if method == 'send_bytes' else 'TEXT'} {show(data)}"
    shown = f"{sent} compressed" if case["extension"] else sent
    behind = theirs.got[1 if case["compress"] == 8 else 2 :]
    return replace(theirs, steps=steps, got=(theirs.got[0], shown, *behind))


def keep_whole(theirs: Talked, case: Case) -> Talked:
    """Let the message behind that of the case be what was sent."""
    if len(theirs.got) < 3 or not theirs.got[2].endswith(" compressed"):
        return theirs
    again = "TEXT b'and again, and again' compressed"
    return replace(theirs, got=(*theirs.got[:2], again, *theirs.got[3:]))


def send_plain(theirs: Talked, case: Case) -> Talked:
    return theirs if case["extension"] else _leave_plain(theirs, case)


def _replace_outcome(theirs: Talked, case: Case, outcome: str, kind: str) -> Talked:
    """Let the call of the case, once there is a WebSocket, fail; nothing of this kind is sent."""
    begun = next(n for n, step in enumerate(theirs.steps) if step.startswith("compress"))
    pattern = rf"^({case['method']} -> ).*?( \| .*)$"
    behind = [re.sub(pattern, rf"\1{outcome}\2", step) for step in theirs.steps[begun:]]
    got = [each for each in theirs.got if not each.startswith(kind)]
    return replace(theirs, steps=(*theirs.steps[:begun], *behind), got=tuple(got))


def count_bytes(theirs: Talked, case: Case) -> Talked:
    """Send the four bytes of two words."""
    kind = {"ping": "PING", "pong": "PONG"}.get(case["method"], "BINARY")
    again = "TEXT b'and again, and again'"
    got = (again, f"{kind} b'0123'", again, "CLOSE 1000 b''")
    return replace(theirs, got=got, end="closed")


def check_ping(theirs: Talked, case: Case) -> Talked:
    argument = ARGUMENTS[case["argument"]]
    outcome = f"TypeError: message argument must be byte-ish ({type(argument)!r})"
    if isinstance(argument, bytes | bytearray | memoryview):
        if len(argument) <= 125:
            return theirs
        outcome = f"ValueError: A ping or pong has at most 125 bytes, got {len(argument)}"
    return _replace_outcome(theirs, case, outcome, case["method"].upper())


def send_nothing_behind(theirs: Talked, case: Case) -> Talked:
    """Send no ping behind a close."""
    kind = "PING" if case.get("opcode") == 9 or case["method"] == "ping" else "PONG"
    if not any(each.startswith(kind) for each in theirs.got):
        return theirs
    return _replace_outcome(theirs, case, CANNOT_WRITE, kind)


def refuse_opcode(theirs: Talked, case: Case) -> Talked:
    outcome = f"ValueError: Not the opcode of a whole message: {case['opcode']}"
    kind = {0: "CONTINUATION", 256: "CONTINUATION"}.get(case["opcode"], str(case["opcode"]))
    return _replace_outcome(theirs, case, outcome, kind)


def close_by_frame(theirs: Talked, case: Case) -> Talked:
    """Close, as the frame says, where it is open."""
    if case["state"] not in ("open", "before"):
        return theirs
    code, sent = {"close": (3000, "CLOSE 3000 b'bye'"), "no bytes": (0, "CLOSE b''")}[
        case["argument"]
    ]
    begun = theirs.steps.index("compress False") + 2
    behind = [f"send_frame -> None | closed {code}"]
    behind += [f"behind -> {CANNOT_WRITE} | closed {code}"]
    return replace(theirs, steps=(*theirs.steps[:begun], *behind), got=(theirs.got[0], sent))


# -- closes


def drop(theirs: Talked, case: Case) -> Talked:
    """Drop the connection for a code that no close may carry."""
    code = case["code"]
    error = f"ValueError: Not the code of a close: {code}"
    if code == 1006:
        error = "ConnectionResetError: The connection was dropped by its handler"
    state = f"| closed {3000 if case['first'] == 'client' else 1006} {error}"
    begun = next(n for n, step in enumerate(theirs.steps) if step.startswith("close"))
    behind = [re.sub(r"\| closed .*", state, step) for step in theirs.steps[begun:]]
    return replace(theirs, steps=(*theirs.steps[:begun], *behind), got=())


def send_no_code(theirs: Talked, case: Case) -> Talked:
    got = [re.sub(r"^CLOSE (?:0|1005) .*", "CLOSE b''", each) for each in theirs.got]
    return replace(theirs, got=tuple(got))


def cut_reason(theirs: Talked, case: Case) -> Talked:
    """Send of a reason what may be sent."""
    if case["code"] != 1000:
        return theirs
    sent = {
        b"x" * 124: b"x" * 123,
        "\u00fc" * 62: "\u00fc".encode() * 61,
        b"\xff": "\ufffd".encode(),
    }.get(case["reason"])
    return theirs if sent is None else replace(theirs, got=(f"CLOSE 1000 {show(sent)}",))


def wait_for_close(theirs: Talked, case: Case) -> Talked:
    """Let a close wait for the client's, though another task was receiving."""
    code = case.get("code", 1001)
    state = {
        "the same": f"{code}",
        "empty": "0",
        "another": "3000",
        "broken": "1006 WebSocketError: 1002 Unexpected opcode=3",
        "leaves": "1006 ConnectionResetError: Connection lost",
        "ends": "1006 ConnectionResetError: Connection lost",
        "nothing": "1006 TimeoutError: ",
    }[case["answer"]]
    ours = r"^((?:handler|end|receive -> CLOSING None None) \| closed) 1000$"
    theirs = edit(ours, r"\1 None")(theirs, case)
    return edit(r"\| closed 1000$", f"| closed {state}")(theirs, case)


def send_frames_only(theirs: Talked, case: Case) -> Talked:
    got = tuple(each for each in theirs.got if not each.endswith(" behind the 101"))
    return theirs if got == theirs.got else replace(theirs, got=got, end="closed")


def answer_pings_early(theirs: Talked, case: Case) -> Talked:
    """Answer the pings of a client before the handler receives."""
    if theirs.got[:2] != ("PING b''", "PING b''"):
        return theirs
    return replace(theirs, got=theirs.got[1:])


def go_away(theirs: Talked, case: Case) -> Talked:
    """Close with 1001, and let who receives learn of it."""
    told = {
        "iterates": ("end | closed 1001",),
        "receives": ("receive -> CLOSING None None | closed 1001",),
        "works": theirs.steps,
    }[case["handler"]]
    return replace(theirs, steps=told, got=("CLOSE 1001 b''",))


# -- before it is opened


def answer_failed_hook(theirs: Talked, case: Case) -> Talked:
    if case["hook"] != "fails":
        return theirs
    text = "500 Internal Server Error\n\nServer got itself in trouble"
    head = (
        "HTTP/1.1 500 Internal Server Error",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Length: 55",
        "Connection: close",
        repr(text),
    )
    return replace(theirs, head=head)
