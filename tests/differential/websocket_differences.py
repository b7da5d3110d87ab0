"""The differences of WebSockets that are meant, one entry each.

They are lists as in `differences`; their rewrites take what was seen on aiohttp, and the case.
"""

from . import websocket_rewrites as rewrites
from .differences import Difference
from .websocket_rewrites import DEFLATE

__all__ = ["KNOWN_DIFFERENCES", "WEBSOCKET_DIFFERENCES"]

# Those that other lists tell of already.
KNOWN_DIFFERENCES: list[Difference] = [
    Difference(
        name="an error before the head has left is answered 500",
        reason="See `differences`.",
        cases=("prepare/*",),
        rewrite=rewrites.answer_failed_hook,
    ),
]
WEBSOCKET_DIFFERENCES: list[Difference] = [
    Difference(
        name="a WebSocket is opened by GET alone",
        reason="So says RFC 6455 section 4.1; aiohttp takes any method.",
        cases=tuple(
            f"handshake/{method}/*" for method in ("POST", "PUT", "HEAD", "OPTIONS", "LINK")
        ),
        rewrite=rewrites.settle("method"),
    ),
    Difference(
        name="HTTP/1.0 opens no WebSocket",
        reason="It has no upgrades (RFC 9110 section 7.8); aiohttp answers 101 in HTTP/1.0.",
        cases=("handshake/*/1.0/*",),
        rewrite=rewrites.settle("version"),
    ),
    Difference(
        name="a WebSocket may be one of several upgrades that are offered",
        reason="Upgrade is a list (RFC 9110 section 7.8).",
        cases=("handshake/*/1.1/h2c, websocket/*",),
        rewrite=rewrites.list_upgrade,
    ),
    Difference(
        name="a refused version of WebSockets is answered with those that are known",
        reason="A client may try again with one of them (RFC 6455 section 4.4).",
        cases=("handshake/*/1.1/*",),
        rewrite=rewrites.settle("wanted"),
    ),
    Difference(
        name="the key of a handshake is base64 to its end",
        reason="aiohttp overlooks what is none, and answers 500 to what is not ASCII.",
        cases=("handshake/*==x/*", "handshake/*\\xff/*"),
        rewrite=rewrites.settle("key"),
    ),
    Difference(
        name="a handshake has no body",
        reason="Its bytes would be taken for frames, or for another request.",
        cases=("handshake/*/hello",),
        rewrite=rewrites.settle("body"),
    ),
    Difference(
        name="several Sec-WebSocket-Protocol fields are joined",
        reason="It is a list (RFC 6455 section 11.3.4); aiohttp reads the first field.",
        cases=("handshake/x|b/*",),
        rewrite=rewrites.join_protocols,
    ),
    Difference(
        name="messages are compressed with a window of 4 KiB",
        reason="It saves nine tenths of the memory; the client is told.",
        cases=(
            f"handshake/{DEFLATE}/*",
            f"handshake/{DEFLATE}; server_max_window_bits=1[56]*",
            f"handshake/{DEFLATE}; server_no_context_takeover/*",
            f"handshake/x-webkit-deflate-frame, {DEFLATE}/*",
            f"frames/*/{DEFLATE}/*",
            f"sends/*/{DEFLATE}/*",
            f"sends/*/{DEFLATE}; server_no_context_takeover/*",
        ),
        rewrite=rewrites.agree,
    ),
    Difference(
        name="what a client offers for its own compression is answered",
        reason="It then keeps to it (RFC 7692 section 7.1), and less memory is needed.",
        cases=(
            f"handshake/{DEFLATE}; client_max_window_bits/*",
            f"handshake/{DEFLATE}; client_max_window_bits=[89]/*",
            f"handshake/{DEFLATE}; client_max_window_bits=15/*",
            f"handshake/{DEFLATE}*; client_no_context_takeover/*",
            "frames/*; client_max_window_bits; server_max_window_bits=10/*",
        ),
        rewrite=rewrites.agree,
    ),
    Difference(
        name="a malformed offer of compression is declined",
        reason="So says RFC 7692 section 7.1; aiohttp overlooks what it does not know.",
        cases=(
            f"handshake/{DEFLATE}; client_max_window_bits=16/*",
            f"handshake/{DEFLATE}; server_max_window_bits/*",
            f"handshake/{DEFLATE}; server_max_window_bits=010/*",
            f"handshake/{DEFLATE}; server_no_context_takeover; server_no_context_takeover/*",
        ),
        rewrite=rewrites.agree,
    ),
    Difference(
        name="offers of compression are read as RFC 6455 section 9.1 has them",
        reason="In several fields, in any case, quoted, and with blanks.",
        cases=(
            "handshake/Permessage-Deflate/*",
            f"handshake/other|{DEFLATE}/*",
            f'handshake/{DEFLATE}; server_max_window_bits="10"/*',
            f"handshake/{DEFLATE} ; *",
        ),
        rewrite=rewrites.agree,
    ),
    Difference(
        name="frames that are not masked are refused",
        reason="So says RFC 6455 section 5.1.",
        cases=("frames/False/*",),
        rewrite=rewrites.refuse_unmasked,
    ),
    Difference(
        name="reserved bits of control frames are refused",
        reason="Nothing gives them a meaning there (RFC 7692 section 6).",
        cases=(
            f"frames/*/4/{DEFLATE}/*",
            "frames/ping/*",
            "frames/ping compressed/*",
            "frames/close/*",
        ),
        rewrite=rewrites.refuse_reserved,
    ),
    Difference(
        name="codes that no close may carry are refused",
        reason="1006, and 5000 and above (RFC 6455 section 7.4).",
        cases=tuple(f"frames/{code}/*" for code in ("None", 1006, 5000, 65535)),
        rewrite=rewrites.refuse_code,
    ),
    Difference(
        name="what cannot be inflated is an error of the protocol, told as soon as it comes",
        reason="aiohttp tells zlib's error, and closes with 1000.",
        cases=("frames/garbage/*", "frames/lone byte early/*", f"frames/1/126/*/{DEFLATE}/*"),
        rewrite=rewrites.refuse_deflated,
    ),
    Difference(
        name="the limit of messages is the same for compressed ones",
        reason="aiohttp takes one byte more of them.",
        cases=("frames/100 bytes/*",),
        rewrite=rewrites.limit_inflated,
    ),
    Difference(
        name="errors of the protocol are told in other words",
        reason="The codes are the same; the texts are our own where aiohttp shows its buffers.",
        cases=("frames/*",),
        rewrite=rewrites.tell_in_words,
    ),
    Difference(
        name="of two faults of a frame another is told",
        reason="Its place in the message is looked at before its reserved bits.",
        cases=("frames/text/*", "frames/continuation/*"),
        rewrite=rewrites.tell_other_fault,
    ),
    Difference(
        name="a continuation of nothing is an error of its own",
        reason="With 1002, before its size is looked at.",
        cases=("frames/0/*/10/False/*",),
        rewrite=rewrites.tell_missing_start,
    ),
    Difference(
        name="the data of pings and pongs are bytes",
        reason="aiohttp gives a bytearray, which its annotations do not say.",
        cases=("frames/9/*", "frames/10/*", "receives/*/p[io]ng/*", "heart/*/False"),
        rewrite=rewrites.show_bytes,
    ),
    Difference(
        name="the close that tells of an error reaches a client that still sends",
        reason="aiohttp closes the connection at once, and its end overtakes the close.",
        cases=("frames/*/bytes/*",),
        rewrite=rewrites.let_close_arrive,
    ),
    Difference(
        name="`exception` tells of a lost connection as lost",
        reason="aiohttp tells that it cannot be written to, or an EofStream.",
        cases=("receives/*", "closes/*", "sends/*/gone", "work/leaves/*"),
        rewrite=rewrites.edit(
            rf"(\| closed 1006 )(?:EofStream: |{rewrites.CANNOT_WRITE})",
            r"\1ConnectionResetError: Connection lost",
        ),
    ),
    Difference(
        name="`compress=0` sends a message as it is",
        reason="aiohttp takes it for None.",
        cases=("sends/*/0/*/*",),
        rewrite=rewrites.send_zero_plain,
    ),
    Difference(
        name="`compress=` of a message is kept within what is possible",
        reason="A window of 9 bits at least, as zlib has it, and at most the one agreed on.",
        cases=("sends/*/fitting/8/*", "sends/*/long text/*"),
        rewrite=rewrites.send_within,
    ),
    Difference(
        name="a message with a `compress=` of its own leaves those behind it whole",
        reason="aiohttp's next message refers to what its compressor has not seen.",
        cases=tuple(f"sends/*/{bits}/*{DEFLATE}*" for bits in (9, 12, 15)),
        rewrite=rewrites.keep_whole,
    ),
    Difference(
        name="nothing is compressed that was not agreed on",
        reason="Clients take it for broken; aiohttp compresses when compress= asks for it.",
        cases=("sends/*/9/*", "sends/*/12/*", "sends/*/15/*"),
        rewrite=rewrites.send_plain,
    ),
    Difference(
        name="pings and pongs have at most 125 bytes",
        reason="Clients refuse others (RFC 6455 section 5.5).",
        cases=("sends/ping/*", "sends/pong/*"),
        rewrite=rewrites.check_ping,
    ),
    Difference(
        name="buffers are counted in bytes",
        reason="aiohttp counts items, and sends what no client can read.",
        cases=("sends/*/words/open",),
        rewrite=rewrites.count_bytes,
    ),
    Difference(
        name="no ping is sent behind a close",
        reason="Nothing is (RFC 6455 section 5.5.1).",
        cases=("sends/*/closing",),
        rewrite=rewrites.send_nothing_behind,
    ),
    Difference(
        name="`send_frame` sends whole messages",
        reason="Frames of other kinds would break the protocol.",
        cases=tuple(f"sends/send_frame/{opcode}/*" for opcode in (0, 3, 256)),
        rewrite=rewrites.refuse_opcode,
    ),
    Difference(
        name="`send_frame` of a close is `close`",
        reason="Nothing may be sent behind it; aiohttp goes on sending.",
        cases=("sends/send_frame/8/*",),
        rewrite=rewrites.close_by_frame,
    ),
    Difference(
        name="`close` drops the connection for a code that no close may carry",
        reason="And `exception` tells why.",
        cases=tuple(
            f"closes/*/{code}/*"
            for code in (999, 1004, 1006, 1015, 1016, 2999, 5000, 65535, 65536, -1)
        ),
        rewrite=rewrites.drop,
    ),
    Difference(
        name="`close` with 0 or 1005 sends no code",
        reason="Neither may be on the wire (RFC 6455 section 7.4.1).",
        cases=("closes/*/0/*", "closes/*/1005/*"),
        rewrite=rewrites.send_no_code,
    ),
    Difference(
        name="the reason of a close is UTF-8 of at most 123 bytes",
        reason="Clients refuse others (RFC 6455 section 5.5).",
        cases=("closes/*/1000/*",),
        rewrite=rewrites.cut_reason,
    ),
    Difference(
        name="`close` waits for the client while another task receives",
        reason="And tells the client's code; aiohttp closes at once, and tells 1000.",
        cases=(
            "closes/pending/*",
            "call back/while it receives/*",
            "stop/closes/iterates/*",
            "stop/closes/receives/*",
        ),
        rewrite=rewrites.wait_for_close,
    ),
    Difference(
        name="no answer is sent behind a WebSocket",
        reason="Clients would take it for frames.",
        cases=("closes/*/None", "closes/*/response", "closes/*/http error"),
        rewrite=rewrites.send_frames_only,
    ),
    Difference(
        name="WebSockets that are open get 1001 when the server stops",
        reason="Behind on_shutdown; aiohttp leaves it to the application, and cuts them.",
        cases=("stop/does nothing/*",),
        rewrite=rewrites.go_away,
    ),
    Difference(
        name="handlers whose WebSocket was closed are cancelled at the stop too",
        reason="Like all others, behind shutdown_timeout; aiohttp forgets them.",
        cases=("stop/closes/works/*",),
        rewrite=rewrites.edit("^has worked on$", "raised CancelledError: "),
    ),
    Difference(
        name="a client that says no more keeps its transport until it is answered",
        reason="It may still read (RFC 9112 section 9.6); on aiohttp request.transport is None at "
        "once.",
        cases=("late/*",),
        rewrite=rewrites.edit("^transport is None: True", "transport is None: False"),
    ),
    Difference(
        name="the `body_length` of a WebSocket is what was sent",
        reason="It is for the access log; aiohttp has 0.",
        cases=("prepare/*",),
        rewrite=rewrites.edit(r"^(open|closed) body_length False", r"\1 body_length True"),
    ),
    Difference(
        name="pings are answered while the handler does not receive",
        reason="Clients would take it for gone.",
        cases=("heart/*/ping/*",),
        rewrite=rewrites.answer_pings_early,
    ),
]
