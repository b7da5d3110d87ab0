"""The lane: heads of ordinary requests, recognised at once.

Most requests on a connection look alike: a known method, a path, HTTP/1.1, plain fields. One
expression recognises such a head; what it does not recognise is not refused, but goes to the
parser beside it. It accepts nothing that the rules of `grammar` and that parser refuse, and reads
it as they do.
"""

import re
from collections.abc import Sequence
from typing import Final

from .grammar import SINGLETONS
from .head import HeadLimits

__all__ = ["CHUNKED", "Lane", "Ordinary", "split_block"]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# Every loop is possessive, hence all of it linear. Nothing is captured inside of them: Python 3.11
# has a fault there (SystemError, "The span of capturing group is wrong").
_HEAD: Final = re.compile(
    rb"(GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH) (/[!\"$-~]*+) HTTP/1\.1\r(\n(?:"
    + _TOKEN
    + rb":[\t -~\x80-\xff]*+\r\n)++)\r\n"
)
# Narrower than `grammar` has it: other hosts are few.
_HOST: Final = re.compile(
    rb"(?!.*--)[a-z0-9\-._~]++(?::(?:6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4}))?"
)
# Fields that may stand once at most, if at all; of these two all values are ordinary.
_FREQUENT: Final = (b"user-agent", b"content-type")
_USER_AGENT, _CONTENT_TYPE = (b"\n" + name + b":" for name in _FREQUENT)
# The others, and those that frame a message.
_MARKED: Final = re.compile(
    rb"\n("
    + b"|".join(
        sorted(
            {b"host", b"content-length", b"connection", b"transfer-encoding", b"upgrade", b"expect"}
            | (SINGLETONS - set(_FREQUENT))
        )
    )
    + rb"):([^\r]*+)"
)
# The shortest field line.
_LEAST_LINE: Final = 4
_MAX_DIGITS: Final = 18
# Hosts that are remembered by a lane, and bytes of one.
_MAX_HOSTS: Final = 64
_MAX_HOST_SIZE: Final = 255


# What the lane says of a head: method, target, the block of field lines, each ended by CRLF and
# behind a LF, the length of the body in bytes or CHUNKED, whether the client lets the connection
# go on, and where the head ends in the bytes that were looked at. A plain tuple, since each request
# has one.
Ordinary = tuple[str, str, bytes, int, bool, int]
# In the place of a length: the body comes in chunks.
CHUNKED: Final = -1


class Lane:
    """Recognises ordinary heads within limits.

    Args:
        limits: of request heads; a head that is below all of them at once is ordinary.
    """

    __slots__ = ("_hosts", "_least_crowded", "_max_headers", "_max_size")

    def __init__(self, limits: HeadLimits) -> None:
        self._max_size = min(limits.max_line_size, limits.max_field_size, limits.max_head_size)
        self._max_headers = limits.max_headers
        self._least_crowded = _LEAST_LINE * limits.max_headers
        # Those that came first: servers have few names.
        self._hosts: set[bytes] = set()

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
        method, target, block = match.groups()
        end = match.end()
        low = block.lower()
        if (
            end > self._max_size
            or low.count(_USER_AGENT) > 1
            or low.count(_CONTENT_TYPE) > 1
            or (end > self._least_crowded and low.count(b"\n") > self._max_headers + 1)
        ):
            return None
        hosts = self._hosts
        host = length = connection = None
        for name, value in _MARKED.findall(low):
            value = value.strip(b" \t")
            if name == b"host" and host is None and (value in hosts or self._is_host(value)):
                host = value
            elif name == b"connection" and connection is None and value in _OPTIONS:
                connection = value
            elif name == b"content-length" and length is None and _is_length(value):
                length = int(value)
            elif (
                name == b"transfer-encoding"
                and length is None
                and value == b"chunked"
                and low.count(value) == block.count(value)  # the parser changes other spellings
            ):
                length = CHUNKED
            else:
                return None
        if host is None:
            return None
        keep_alive = connection != b"close"
        return method.decode(), target.decode(), block, length or 0, keep_alive, end

    def _is_host(self, value: bytes) -> bool:
        """Whether a host is an ordinary one; remember the first of them."""
        if not _HOST.fullmatch(value):
            return False
        if len(self._hosts) < _MAX_HOSTS and len(value) <= _MAX_HOST_SIZE:
            self._hosts.add(value)
        return True


_OPTIONS: Final = (b"keep-alive", b"close")


def _is_length(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _MAX_DIGITS


def split_block(block: bytes) -> Sequence[tuple[bytes, bytes]]:
    """Give the names and stripped values of field lines that were recognised."""
    pairs = []
    for line in block[1:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    return pairs
