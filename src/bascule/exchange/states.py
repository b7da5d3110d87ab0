"""The state of an answer: what may be sent when, as one table.

Who sends which event: INFORM, START, RESPOND, WRITE (also drain), SEND_FILE, WRITE_EOF and
ACCEPT are the responder's calls; SENT ends a `send_file`, during which nothing else may be
sent; WITHDRAW is the handling layer's, which may take back a head that is still held to answer
with an error instead; LEAVE comes from the transport; ABORT from anyone who finds that the
exchange cannot go on. A pair that is not in the table is an error, one RuntimeError that names
state and event; in GONE, what would send is a reset instead.
"""

from enum import IntEnum
from typing import Final

__all__ = ["TABLE", "Event", "State"]


class State(IntEnum):
    """The state of an answer."""

    OPEN = 0
    HELD = 1
    STARTED = 2
    ENDED = 3
    SWITCHED = 4
    GONE = 5
    SENDING = 6


class Event(IntEnum):
    INFORM = 0
    START = 1
    RESPOND = 2
    WRITE = 3
    WRITE_EOF = 4
    ACCEPT = 5
    WITHDRAW = 6
    LEAVE = 7
    ABORT = 8
    SEND_FILE = 9
    SENT = 10


_TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.OPEN: {
        Event.INFORM: State.OPEN,
        Event.START: State.HELD,
        Event.RESPOND: State.ENDED,
        Event.ACCEPT: State.SWITCHED,
        Event.WITHDRAW: State.OPEN,
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
    State.HELD: {
        Event.INFORM: State.HELD,
        Event.WRITE: State.STARTED,
        Event.SEND_FILE: State.SENDING,
        Event.WRITE_EOF: State.ENDED,
        Event.WITHDRAW: State.OPEN,
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
    State.STARTED: {
        Event.WRITE: State.STARTED,
        Event.SEND_FILE: State.SENDING,
        Event.WRITE_EOF: State.ENDED,
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
    State.ENDED: {
        Event.WRITE_EOF: State.ENDED,
        Event.LEAVE: State.ENDED,
        Event.ABORT: State.ENDED,
    },
    State.SWITCHED: {
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
    State.GONE: {
        Event.INFORM: State.GONE,
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
    State.SENDING: {
        Event.SENT: State.STARTED,
        Event.LEAVE: State.GONE,
        Event.ABORT: State.GONE,
    },
}
# The same as a tuple of tuples, since each request moves through it.
TABLE = tuple(tuple(_TRANSITIONS[s].get(e) for e in Event) for s in State)
