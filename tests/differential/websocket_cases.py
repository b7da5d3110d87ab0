"""Dimensions of conversations over WebSockets, and the cases that are made of them."""

from typing import Any

from .pairwise import pairwise

__all__ = ["CASES", "name_of"]

Case = dict[str, Any]

_HOW = {"how": ["receive", "iterate"]}
_READING = {
    "autoping": [True, False],
    "autoclose": [True, False],
    "decode_text": [True, False],
    "max_msg_size": [4194304, 10, 0],
    "arrival": ["at once", "bytes", "with the handshake"],
    **_HOW,
}

HANDSHAKES: dict[str, list[Any]] = {
    "program": ["handshake"],
    "method": ["GET", "POST", "HEAD", "PUT", "OPTIONS", "LINK"],
    "version": ["1.1", "1.0"],
    "upgrade": ["websocket", "WebSocket", None, "h2c", "h2c, websocket", ""],
    "connection": ["Upgrade", "upgrade", "keep-alive, Upgrade", None, "keep-alive", "xupgrade"],
    "wanted": ["13", "8", "7", None, "12", "99", "", "13, 8", "x"],
    "key": [
        b"dGhlIHNhbXBsZSBub25jZQ==",
        b"AAAAAAAAAAAAAAAAAAAAAA==",
        None,
        b"abc",
        b"YWJj",
        b"dGhlIHNhbXBsZSBub25jZQ==x",
        b"dGhlIHNhbXBsZSBub25jZQ",
        b"\xff",
        b"",
    ],
    "body": [b"", b"hello"],
}
# One field wrong at most, so that what is wrong decides.
ONE_BY_ONE = [
    {**{name: HANDSHAKES[name][0] for name in HANDSHAKES}, dimension: value}
    for dimension, values in HANDSHAKES.items()
    for value in values[1 if dimension != "program" else 0 :]
]
PROTOCOLS: dict[str, list[Any]] = {
    "program": ["handshake"],
    "fields": [
        ((("Sec-WebSocket-Protocol", value),) if isinstance(value, str) else value)
        for value in (
            "a",
            "a, b , c",
            "c,b",
            "",
            ",b",
            "A",
            "x",
            (("Sec-WebSocket-Protocol", "x"), ("Sec-WebSocket-Protocol", "b")),
            (),
        )
    ],
    "protocols": [(), ("b",), ("c", "b", "a"), ["A"], ("a", "a")],
}
_PMD = "permessage-deflate"
EXTENSIONS: dict[str, list[Any]] = {
    "program": ["handshake"],
    "fields": [
        tuple(("Sec-WebSocket-Extensions", value) for value in values)
        for values in (
            (_PMD,),
            ("Permessage-Deflate",),
            (f"{_PMD}; client_max_window_bits",),
            (f"{_PMD}; client_max_window_bits=8",),
            (f"{_PMD}; client_max_window_bits=9",),
            (f"{_PMD}; client_max_window_bits=15",),
            (f"{_PMD}; client_max_window_bits=16",),
            (f"{_PMD}; server_max_window_bits=8",),
            (f"{_PMD}; server_max_window_bits=9",),
            (f"{_PMD}; server_max_window_bits=10",),
            (f"{_PMD}; server_max_window_bits=15",),
            (f"{_PMD}; server_max_window_bits=16",),
            (f"{_PMD}; server_max_window_bits=010",),
            (f"{_PMD}; server_max_window_bits",),
            (f'{_PMD}; server_max_window_bits="10"',),
            (f"{_PMD}; server_max_window_bits=16, {_PMD}",),
            (f"{_PMD}; server_max_window_bits=10, {_PMD}; server_max_window_bits=11",),
            (f"{_PMD}; server_no_context_takeover",),
            (f"{_PMD}; client_no_context_takeover",),
            (f"{_PMD}; server_no_context_takeover; client_no_context_takeover",),
            (f"{_PMD}; server_no_context_takeover=1",),
            (f"{_PMD}; server_no_context_takeover; server_no_context_takeover",),
            (f"{_PMD} ; client_max_window_bits ; server_max_window_bits = 10",),
            (f"{_PMD}; unknown",),
            (f"{_PMD}; unknown, {_PMD}; server_max_window_bits=11",),
            ("x-webkit-deflate-frame",),
            (f"x-webkit-deflate-frame, {_PMD}",),
            ("other", _PMD),
            (f"{_PMD};",),
            (f"{_PMD}; =",),
            (",",),
            ("",),
        )
    ],
    "compress": [True, False],
}
FRAMES: dict[str, list[Any]] = {
    "program": ["frames"],
    "opcode": [1, 2, 0, 9, 10, 3, 11],
    "payload": [
        "short",
        "empty",
        "euro",
        "lone byte",
        "half",
        "9",
        "10",
        "125",
        "126",
        "70000",
    ],
    "fin": [True, False],
    "rest": ["", "continued"],
    "position": ["first", "behind text", "in a message", "behind a close"],
    "bits": [7, 16, 64],
    **_READING,
}
TEXTS: dict[str, list[Any]] = {
    "program": ["frames"],
    "opcode": [1],
    "payload": ["empty", "short", "euro", "lone byte", "half", "9", "10"],
    "fin": [True, False],
    "rest": ["", "continued"],
    "max_msg_size": [4194304, 10],
    **_HOW,
}
WITHIN: dict[str, list[Any]] = {
    "program": ["frames"],
    "opcode": [1, 2, 0, 9, 10],
    "payload": ["short", "10", "125"],
    "position": ["in a message", "first", "behind text"],
    "max_msg_size": [10, 4194304],
    "autoping": [False],
    **_HOW,
}
UNDECODED = {**TEXTS, "decode_text": [False]}
BROKEN: dict[str, list[Any]] = {
    "program": ["frames"],
    "opcode": [1, 2, 0, 9, 8, 5, 12],
    "payload": ["empty", "short", "126"],
    "fin": [True, False],
    "rsv": [4, 2, 1, 7],
    "extension": ["", _PMD],
    "position": ["first", "behind text", "in a message", "behind a close"],
    **_HOW,
}
UNMASKED: dict[str, list[Any]] = {
    "program": ["frames"],
    "mask": [False],
    "opcode": [1, 2, 9, 10],
    "payload": ["short", "126"],
    "position": ["first", "behind text", "behind a close"],
    "autoping": [False],
    **_HOW,
}
GIANTS: dict[str, list[Any]] = {
    "program": ["frames"],
    "opcode": [1, 2, 9],
    "payload": ["short"],
    "size": [4194303 + 1, 2**31, 2**63 - 1, 2**63],
    "position": ["first", "behind text"],
    "max_msg_size": [4194304, 10],
    **_HOW,
}
CODES: dict[str, list[Any]] = {
    "program": ["frames"],
    "code": [
        1000,
        None,
        "half",
        0,
        1,
        999,
        1001,
        1002,
        1003,
        1004,
        1005,
        1006,
        1007,
        1008,
        1009,
        1010,
        1011,
        1012,
        1013,
        1014,
        1015,
        1016,
        1999,
        2000,
        2999,
        3000,
        3999,
        4000,
        4999,
        5000,
        65535,
    ],
    "reason": [b"", "gr\u00fcn".encode(), b"\xff", b"x" * 123, b"x" * 124],
    "answers": [True, False],
    "position": ["first", "behind text", "in a message"],
    **_READING,
}
DEFLATES: dict[str, list[Any]] = {
    "program": ["frames"],
    "message": [
        "text",
        "binary",
        "empty",
        "no bytes",
        "in parts",
        "twice",
        "plain between",
        "plain in parts",
        "99 bytes",
        "100 bytes",
        "bomb",
        "garbage",
        "lone byte",
        "lone byte early",
        "ping",
        "ping compressed",
        "close",
        "continuation",
    ],
    "extension": [_PMD, f"{_PMD}; client_max_window_bits; server_max_window_bits=10", ""],
    "max_msg_size": [4194304, 100, 0],
    "position": ["first", "behind text", "in a message"],
    "decode_text": [True, False],
    "autoping": [True, False],
    "arrival": ["at once", "bytes"],
    **_HOW,
}
_STATES = ["open", "before", "closing", "closed", "gone", "close came", "close not answered"]
_SENT = [
    "text",
    "no text",
    "lone surrogate",
    "bytes",
    "no bytes",
    "bytearray",
    "memoryview",
    "long",
    "int",
    "None",
    "list",
    "set",
]
_OFFERS = [
    "",
    _PMD,
    f"{_PMD}; server_max_window_bits=10",
    f"{_PMD}; server_no_context_takeover",
]
SENDS: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["send_str", "send_bytes", "send_json", "send_json_bytes"],
    "argument": _SENT,
    "compress": [None, 0, 9, 12, 15],
    "dumps": [True, False],
    "extension": _OFFERS,
    "state": _STATES,
}
COMPRESSED: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["send_str", "send_bytes", "send_json", "send_frame"],
    "opcode": [1],
    "argument": ["fitting", "long text"],
    "compress": [None, 0, 8, 9, 12, 15],
    "extension": _OFFERS,
    "state": ["open"],
}
WORDS: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["ping", "pong", "send_bytes", "send_frame"],
    "opcode": [2],
    "argument": ["words"],
    "state": ["open"],
}
PINGS: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["ping", "pong"],
    "argument": [*_SENT, "125", "126"],
    "state": _STATES,
}
RAW_SENDS: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["send_frame"],
    "opcode": [1, 2, 9, 10],
    "argument": ["bytes", "no bytes", "bytearray", "memoryview", "125"],
    "compress": [None, 0, 9, 15],
    "extension": _OFFERS,
    "state": _STATES,
}
ODD_SENDS: dict[str, list[Any]] = {
    "program": ["sends"],
    "method": ["send_frame"],
    "opcode": [0, 3, 256, 8],
    "argument": ["close", "no bytes"],
    "state": ["before", "open", "closed", "gone", "close came"],
}
RECEIVES: dict[str, list[Any]] = {
    "program": ["receives"],
    "method": ["receive", "receive_str", "receive_bytes", "receive_json", "__anext__"],
    "message": [
        "text",
        "json",
        "binary",
        "binary json",
        "ping",
        "pong",
        "close",
        "bad frame",
        "leaves",
        "ends",
        "nothing",
    ],
    "timeout": ["long", "argument", "constructor", "zero and constructor"],
    "before": ["nothing", "cancelled", "concurrent", "timed out"],
}
_ANSWERS = ["the same", "empty", "another", "broken", "leaves", "ends", "nothing"]
CLOSES: dict[str, list[Any]] = {
    "program": ["closes"],
    "first": ["server", "client"],
    "code": [1000, 1001, 3000, 4999, 1011],
    "reason": [b"", b"bye", "text", b"x" * 123],
    "drain": [True, False],
    "autoclose": [True, False],
    "receiver": ["handler", "task"],
    "closes": ["once", "twice", "at once", "cancelled", "never"],
    "answer": _ANSWERS,
    "leaves": ["websocket", "None", "response", "error", "http error", "cancelled"],
}
ODD_CLOSES: dict[str, list[Any]] = {
    "program": ["closes"],
    "first": ["server", "client"],
    "code": [1000, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535, 65536, -1],
    "reason": [b"", b"bye", b"x" * 124, "\u00fc" * 62, b"\xff"],
    "autoclose": [False],
    "closes": ["once", "twice"],
    "answer": ["the same"],
}
PENDING: dict[str, list[Any]] = {
    "program": ["closes"],
    "first": ["pending"],
    "code": [1000, 3000],
    "reason": [b""],
    "closes": ["once", "twice", "at once"],
    "answer": _ANSWERS,
}
CALL_BACKS: dict[str, list[Any]] = {
    "program": ["call back"],
    "when": ["while it receives", "before"],
    "how": ["receive", "iterate", "while open"],
    "answer": ["the same", "nothing"],
}
PREPARES: dict[str, list[Any]] = {
    "program": ["prepare"],
    "changes": [
        [],
        ["set_status"],
        ["header", "cookie"],
        ["own upgrade"],
        ["own protocol"],
        ["own date"],
        ["del_cookie"],
        ["force_close"],
        ["compression"],
        ["chunked"],
        ["content type"],
        ["content length"],
        ["item"],
    ],
    "calls": [
        [],
        ["can_prepare", "write", "write text"],
        ["write_eof", "close", "receive"],
        ["set_status", "set_cookie"],
        ["enable_compression", "enable_chunked_encoding"],
        ["exception", "drain"],
    ],
    "hook": ["nothing", "fields", "fails"],
    "body": ["unread", "read"],
}
HEARTS: dict[str, list[Any]] = {
    "program": ["heart"],
    "heartbeat": [0.4],
    "answer": ["pong", "text", "ping", "half a frame"],
    "answered": [0, 2],
    "then": ["closes", "is silent"],
    "busy": [False, True],
    "autoping": [True, False],
}
WORKS: dict[str, list[Any]] = {
    "program": ["work"],
    "ends": ["cleanly", "server", "server in vain", "leaves", "silently"],
    "handler_cancellation": [False, True],
}
LATE: dict[str, list[Any]] = {
    "program": ["late"],
    "leaves": ["leaves", "ends"],
    "call": ["can_prepare", "prepare"],
}
STOPS: dict[str, list[Any]] = {
    "program": ["stop"],
    "on_shutdown": ["closes", "does nothing"],
    "handler": ["iterates", "receives", "works"],
    "answer": ["the same", "nothing"],
}


def _can_be(case: Case) -> bool:
    """Leave out what waits for something that never comes, and what says nothing."""
    if case["program"] == "receives":
        return case["message"] != "nothing" or case["timeout"] != "long"
    if case["program"] == "frames" and case.get("position") == "in a message":
        # What comes of a message within a message is a matter of `BROKEN`.
        return case.get("message") in (None, "text", "ping", "close", "continuation")
    return True


_GROUPS = (
    HANDSHAKES,
    PROTOCOLS,
    EXTENSIONS,
    FRAMES,
    TEXTS,
    UNDECODED,
    WITHIN,
    BROKEN,
    UNMASKED,
    GIANTS,
    CODES,
    DEFLATES,
    SENDS,
    COMPRESSED,
    WORDS,
    PINGS,
    RAW_SENDS,
    ODD_SENDS,
    RECEIVES,
    CLOSES,
    ODD_CLOSES,
    PENDING,
    CALL_BACKS,
    PREPARES,
    LATE,
    HEARTS,
    WORKS,
    STOPS,
)


def name_of(case: Case) -> str:
    """Name a case after its values."""
    parts = []
    for name, value in case.items():
        if name == "fields":
            value = "|".join(line[1] for line in value)
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if len(text) > 40 and len(set(text)) == 1:
            text = f"{len(text)} of {text[0]}"
        parts.append(ascii(text)[1:-1].replace("[", "(").replace("]", ")").replace("/", "|"))
    return "/".join(parts)


_ALL = [*ONE_BY_ONE, *(case for group in _GROUPS for case in pairwise(group) if _can_be(case))]
# Pairs of different groups may make the same case.
CASES = list({name_of(case): case for case in _ALL}.values())
