"""What the bytes of a connection are, one phase behind the other."""

from enum import Enum

__all__ = ["Phase"]


class Phase(Enum):
    """What the bytes are that come in.

    HEAD -> BODY | TURN   a head was accepted; a body follows it, or none
    BODY -> TURN          the body is complete
    TURN -> HEAD          the answer is complete, the connection goes on
    TURN -> CHANNEL       the request has become a WebSocket
    any  -> FAREWELL      nothing more is served: bytes are thrown away until the peer leaves
    any  -> CLOSED        the transport is closing
    any  -> LOST          the transport is gone
    """

    HEAD = "head of the next request"
    BODY = "body of the current request"
    TURN = "kept until the current request is answered"
    CHANNEL = "of a WebSocket"
    FAREWELL = "thrown away"
    CLOSED = "none, closing"
    LOST = "none, gone"
