"""The waist: one request and its answer, seen alike from every server, host and test.

A `Responder` is given an `Exchange` and answers it. A native application is a responder, a hosted
ASGI application is one; a server knows nothing else. The state of an answer is one table, in
`Exchange`, which also frames: it counts bytes against Content-Length, cuts what is too much,
cuts the connection where too little came, and keeps bodies away from answers that have none.
"""

from ..channel import ClientConnectionResetError
from .answer import AnswerHead, Bytes, Fields, frame_answer
from .exchange import Exchange, NotSupported, Responder
from .failing import fail
from .gone import Gone
from .head import BlockHead, Head, RawFields
from .states import Event, State

__all__ = [
    "AnswerHead",
    "BlockHead",
    "Bytes",
    "ClientConnectionResetError",
    "Event",
    "Exchange",
    "Fields",
    "Gone",
    "Head",
    "NotSupported",
    "RawFields",
    "Responder",
    "State",
    "fail",
    "frame_answer",
]
