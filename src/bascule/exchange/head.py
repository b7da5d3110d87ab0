"""The head of a request, decoded as far as it is asked for."""

from collections.abc import Sequence

from multidict import CIMultiDict, CIMultiDictProxy, istr

from ..wire.grammar import HttpVersion, HttpVersion11
from ..wire.lane import split_block

__all__ = ["BlockHead", "Head", "RawFields"]

# Names and values as received: spelling and order kept, values stripped.
RawFields = Sequence[tuple[bytes, bytes]]

_MAX_KNOWN_NAMES = 1024
_MAX_KNOWN_SIZE = 64
_known_names: dict[bytes, istr] = {}
_known_texts: dict[str, istr] = {}


class Head:
    """The head of one request, as received; it never changes.

    Args:
        method: as sent, case included.
        target: the request target as sent; under a host that hides it, rebuilt from the path.
        version: HTTP version of the message.
        raw_fields: names and values as received.
        scheme: ``http`` or ``https``, of the connection, never of the target.
        root_path: the prefix a host or a mount serves this application under, decoded; part
            of the target's path or, with hosts that strip it, not.
        keep_alive: the connection may serve another request.
        is_plain: it is known to have no Expect and no Upgrade.
    """

    __slots__ = (
        "_fields",
        "_raw_fields",
        "is_plain",
        "keep_alive",
        "method",
        "root_path",
        "scheme",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        raw_fields: RawFields = (),
        *,
        version: HttpVersion = HttpVersion11,
        scheme: str = "http",
        root_path: str = "",
        keep_alive: bool = True,
        is_plain: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self._raw_fields = raw_fields
        self.is_plain = is_plain
        self.version = version
        self.scheme = scheme
        self.root_path = root_path
        self.keep_alive = keep_alive
        self._fields: CIMultiDictProxy[str] | None = None

    @property
    def block(self) -> bytes | None:
        """The field lines as the lane has recognised them, where they have not been split."""
        return None

    @property
    def raw_fields(self) -> RawFields:
        """The names and values as received."""
        return self._raw_fields

    def may_have(self, name: bytes) -> bool:
        """Whether a field of that name, in lower case, may be there: if not, nothing has to be
        decoded to find it."""
        return True

    @property
    def fields(self) -> CIMultiDictProxy[str]:
        """The fields as a multidict, built on first use; values UTF-8 with surrogateescape."""
        if self._fields is None:
            self._fields = CIMultiDictProxy(CIMultiDict(self._decode_pairs()))
        return self._fields

    def _decode_pairs(self) -> list[tuple[istr, str]]:
        return [
            (_known_names.get(name) or _learn_name(name), _decode(value))
            for name, value in self.raw_fields
        ]


class BlockHead(Head):
    """The head of an ordinary request, as the lane has recognised it: of HTTP/1.1, and without
    Expect and Upgrade. Its fields are split when they are asked for.

    Args:
        method: see `Head`.
        target: likewise.
        block: the field lines.
        scheme: see `Head`.
        keep_alive: likewise.
    """

    __slots__ = ("_block",)

    version = HttpVersion11
    root_path = ""
    is_plain = True

    def __init__(
        self, method: str, target: str, block: bytes, scheme: str, keep_alive: bool
    ) -> None:
        # Each request comes by here, with as little as tells it from others.
        self.method = method
        self.target = target
        self._block: bytes | None = block
        self.scheme = scheme
        self.keep_alive = keep_alive
        self._fields = None

    @property
    def block(self) -> bytes | None:
        """The field lines, where they have not been split."""
        return self._block

    @property
    def raw_fields(self) -> RawFields:
        """The names and values as received."""
        if self._block is not None:
            self._raw_fields = split_block(self._block)
            self._block = None
        return self._raw_fields

    def may_have(self, name: bytes) -> bool:
        """Whether a field of that name may be there, as long as they have not been split."""
        block = self._block
        return block is None or b"\n%b:" % name in block.lower()

    def _decode_pairs(self) -> list[tuple[istr, str]]:
        block = self._block
        return super()._decode_pairs() if block is None else _decode_block(block)


def _decode_block(block: bytes) -> list[tuple[istr, str]]:
    """Read field lines that were recognised; it spares decoding them one by one."""
    pairs = []
    known = _known_texts.get
    for line in block[1:-2].decode("utf-8", "surrogateescape").split("\r\n"):
        name, _, value = line.partition(":")
        pairs.append((known(name) or _learn_text(name), value.strip(" \t")))
    return pairs


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _learn_text(name: str) -> istr:
    known = istr(name)
    if len(_known_texts) < _MAX_KNOWN_NAMES and len(name) <= _MAX_KNOWN_SIZE:
        _known_texts[name] = known
    return known


def _learn_name(name: bytes) -> istr:
    known = istr(_decode(name))
    if len(_known_names) < _MAX_KNOWN_NAMES and len(name) <= _MAX_KNOWN_SIZE:
        _known_names[name] = known
    return known
