"""The lane: heads of ordinary requests, recognised at once.

Most requests on a connection look alike: a known method, a path, HTTP/1.1, plain fields. One
expression recognises such a head; what it does not recognise is not refused, but goes to the
parser beside it. It accepts nothing that the rules of `grammar` and that parser refuse, and reads
it as they do.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .grammar import SINGLETONS
from .head import HeadLimits

__all__ = ["Lane", "Ordinary", "split_block"]

_METHODS: Final = rb"GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH"
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# Narrower than `grammar` has it: other hosts are few.
_HOST: Final = rb"(?:[A-Za-z0-9\-._~]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{1,4}+)?"
# Every loop is possessive, hence all of it linear. A field that frames the message is captured in
# its usual spelling; in any other it counts as a plain field here, and `_MARKED` finds it.
_HEAD: Final = re.compile(
    rb"(" + _METHODS + rb") (/[!\"$-~]*+) HTTP/1\.1\r(\n(?:"
    rb"[Hh]ost: (" + _HOST + rb")\r\n|"
    rb"[Cc]o(?:ntent-[Ll]ength: ([0-9]{1,18}+)|nnection: ([Kk]eep-[Aa]live|[Cc]lose))\r\n|"
    + _TOKEN
    + rb":[\t -~\x80-\xff]*+\r\n)++)\r\n"
)
# Fields that need a look, and may stand once at most if at all; these two are in most heads.
_FREQUENT: Final = (b"user-agent", b"content-type")
_MARKED: Final = re.compile(
    rb"\n(?:"
    + b"|".join(
        re.escape(name)
        for name in sorted(
            {b"host", b"content-length", b"connection", b"transfer-encoding", b"upgrade", b"expect"}
            | (SINGLETONS - set(_FREQUENT))
        )
    )
    + rb"):"
)
_USER_AGENT, _CONTENT_TYPE = (b"\n" + name + b":" for name in _FREQUENT)
# The shortest field line.
_LEAST_LINE: Final = 4


class Ordinary(NamedTuple):
    """What a head says that the lane recognises.

    Attributes:
        method: one of the usual.
        target: in origin form.
        block: the field lines, each ended by CRLF, behind a LF.
        content_length: of the body in bytes; 0 when none is declared.
        keep_alive: the client lets the connection go on.
        end: where the head ends in the bytes that were looked at.
    """

    method: str
    target: str
    block: bytes
    content_length: int
    keep_alive: bool
    end: int


class Lane:
    """Recognises ordinary heads within limits.

    Args:
        limits: of request heads; a head that is below all of them at once is ordinary.
    """

    __slots__ = ("_least_crowded", "_max_headers", "_max_size")

    def __init__(self, limits: HeadLimits) -> None:
        self._max_size = min(limits.max_line_size, limits.max_field_size, limits.max_head_size)
        self._max_headers = limits.max_headers
        self._least_crowded = _LEAST_LINE * limits.max_headers

    def recognise(self, data: bytes) -> Ordinary | None:
        """Look at the head that `data` begins with.

        It is to be called once for the bytes that come first, and once for a head that is
        complete, not for each piece of one: then its work is linear.

        Returns:
            None where the head is not ordinary, or not all here.
        """
        match = _HEAD.match(data)
        if match is None:
            return None
        method, target, block, host, length, connection = match.groups()
        end = match.end()
        if host is None or end > self._max_size:
            return None
        low = block.lower()
        marked = 1 + (length is not None) + (connection is not None)
        if (
            len(_MARKED.findall(low)) != marked
            or low.count(_USER_AGENT) > 1
            or low.count(_CONTENT_TYPE) > 1
            or (end > self._least_crowded and low.count(b"\n") > self._max_headers + 1)
        ):
            return None
        return Ordinary(
            method.decode(),
            target.decode(),
            block,
            int(length) if length is not None else 0,
            connection is None or len(connection) != 5,
            end,
        )


def split_block(block: bytes) -> Sequence[tuple[bytes, bytes]]:
    """Give the names and stripped values of field lines that were recognised."""
    pairs = []
    for line in block[1:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    return pairs
