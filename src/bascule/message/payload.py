"""Bodies as objects: what a payload is, and which class of payload takes which value."""

import mimetypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import chain
from typing import Any, Protocol, TypeGuard, TypeVar

from multidict import CIMultiDict

from ..wire import hdrs
from .part_heads import dump_content_disposition, dump_part_head

__all__ = [
    "PAYLOAD_REGISTRY",
    "LookupError",
    "Order",
    "Payload",
    "PayloadLike",
    "PayloadRegistry",
    "PayloadWriter",
    "close_payloads",
    "get_payload",
    "is_payload_like",
    "payload_type",
    "read_payload",
    "register_payload",
]

_Headers = Mapping[str, str] | Iterable[tuple[str, str]]
_Factory = Callable[..., "Payload"]
_FactoryType = TypeVar("_FactoryType", bound=_Factory)


class PayloadWriter(Protocol):
    """What payloads are written to: an exchange, or something that encodes in front of one."""

    async def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take a piece; waits while there is no room for more."""


class PayloadLike(Protocol):
    """What a body must have: payloads of ours have it, and those of aiohttp."""

    @property
    def headers(self) -> CIMultiDict[str]:
        """Fields that describe the body."""

    @property
    def size(self) -> int | None:
        """Bytes that will be written; None where that is not known."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give the body as text."""

    async def write(self, writer: Any, /) -> None:  # Any: aiohttp's asks for its own class
        """Write the body."""


def is_payload_like(value: object) -> TypeGuard[PayloadLike]:
    """Tell whether a value is a payload, of ours or of another library."""
    if isinstance(value, Payload):
        return True
    if not isinstance(getattr(value, "headers", None), Mapping):
        return False
    has_methods = all(callable(getattr(value, name, None)) for name in ("write", "decode"))
    return has_methods and hasattr(value, "size")


async def close_payloads(payloads: Iterable[PayloadLike]) -> None:
    """Close payloads, all of them even when one fails; those of old aiohttp cannot be closed.

    Raises:
        Exception: the first that one of them raised.
    """
    errors = []
    for payload in payloads:
        close = getattr(payload, "close", None)
        try:
            if close is not None:
                await close()
        except Exception as exc:
            errors.append(exc)
    if errors:
        raise errors[0]


async def read_payload(payload: PayloadLike, encoding: str, errors: str) -> bytes:
    """Give a payload as bytes; those of old versions of aiohttp give text only."""
    as_bytes = getattr(payload, "as_bytes", None)
    if as_bytes is None:
        return payload.decode(encoding, errors).encode(encoding, errors)
    return bytes(await as_bytes(encoding, errors))


class Payload(ABC):
    """One body, or one part of a body: its bytes, and the fields that describe them.

    It is written once or more often, then closed. Names are those of ``aiohttp.payload.Payload``.

    Args:
        value: what the bytes are made of.
        headers: of the body; they win over what the other arguments say.
        content_type: by default guessed by the name of the file, else ``application/octet-stream``.
        filename: of the body, where it is a file.
        encoding: of the text that the body is.
        kwargs: without effect; what is made by a registry may be given anything.
    """

    _default_content_type: str = "application/octet-stream"
    _size: int | None = None
    _consumed: bool = False
    _autoclose: bool = False

    def __init__(
        self,
        value: Any,  # Any: each class takes its own
        headers: _Headers | None = None,
        content_type: str | None = None,
        filename: str | None = None,
        encoding: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._value = value
        self._encoding = encoding
        self._filename = filename
        if content_type is None:
            content_type = _guess_type(filename) or self._default_content_type
        self._headers: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: content_type})
        if headers:
            self._headers.update(headers)

    @property
    def size(self) -> int | None:
        """Bytes that will be written; None where that is not known."""
        return self._size

    @property
    def filename(self) -> str | None:
        """The name of the file that this is."""
        return self._filename

    @property
    def headers(self) -> CIMultiDict[str]:
        """The fields that describe the body; they may be changed."""
        return self._headers

    @property
    def _binary_headers(self) -> bytes:
        """The head of a part of a multipart body.

        Raises:
            ValueError: a field would add others to it.
        """
        return dump_part_head(self.headers)

    @property
    def encoding(self) -> str | None:
        """The charset of the text that this is."""
        return self._encoding

    @property
    def content_type(self) -> str:
        """The media type with its parameters."""
        return self._headers[hdrs.CONTENT_TYPE]

    @property
    def consumed(self) -> bool:
        """Whether it was written and cannot be written again."""
        return self._consumed

    @property
    def autoclose(self) -> bool:
        """Whether there is nothing to close."""
        return self._autoclose

    def set_content_disposition(
        self,
        disptype: str,
        quote_fields: bool = True,
        _charset: str = "utf-8",
        **params: str,
    ) -> None:
        """Set Content-Disposition; arguments and errors are those of `dump_content_disposition`."""
        self._headers[hdrs.CONTENT_DISPOSITION] = dump_content_disposition(
            disptype, params, quote_fields=quote_fields, charset=_charset
        )

    @abstractmethod
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give the body as text.

        Raises:
            TypeError: it is a stream.
        """

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give the body as bytes, which can be written afterwards all the same."""
        return self.decode(encoding, errors).encode(encoding, errors)

    @abstractmethod
    async def write(self, writer: PayloadWriter) -> None:
        """Write the body, all of it."""

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        """Write the body, no more than so many bytes of it where a class knows how to.

        Args:
            writer: is written to.
            content_length: in bytes; None for no limit.
        """
        await self.write(writer)

    async def close(self) -> None:  # noqa: B027  # most have nothing to close
        """Let go of files and streams; a second call does nothing."""


def _guess_type(filename: str | None) -> str | None:
    if filename is None:
        return None
    return mimetypes.guess_type(f"/{filename}")[0]  # the slash keeps it from being a URL


class LookupError(Exception):  # the name that aiohttp gives it
    """No class of payload takes a value."""


class Order(StrEnum):
    """When a registered class is tried."""

    normal = "normal"
    try_first = "try_first"
    try_last = "try_last"


class PayloadRegistry:
    """Which class of payload takes values of which type.

    Those that are tried first come first; then the one of a value's very type; then the others, in
    the order in which they came.
    """

    __slots__ = ("_by_order", "_by_type")

    def __init__(self) -> None:
        self._by_order: dict[Order, list[tuple[_Factory, Any]]] = {order: [] for order in Order}
        self._by_type: dict[Any, _Factory] = {}

    def get(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a payload of a value; one that is a payload, of aiohttp too, is given back.

        Args:
            data: the value.
            args: for the class of payload.
            kwargs: for the class of payload.

        Raises:
            LookupError: no class takes it.
        """
        if is_payload_like(data):
            return data
        factory = self._find(data)
        if factory is None:
            raise LookupError
        return factory(data, *args, **kwargs)

    def _find(self, data: Any) -> _Factory | None:
        first = self._by_order[Order.try_first]
        if first and (factory := _find_among(first, data)):
            return factory
        if factory := self._by_type.get(type(data)):
            return factory
        rest = chain(self._by_order[Order.normal], self._by_order[Order.try_last])
        return _find_among(rest, data)

    def register(self, factory: _Factory, type: Any, *, order: Order = Order.normal) -> None:
        """Let a class take the values of a type.

        Args:
            factory: makes a payload of a value and what else was given with it.
            type: a class, or several in a tuple.
            order: when it is tried.

        Raises:
            ValueError: there is no such order.
        """
        try:
            order = Order(order)
        except ValueError as exc:
            raise ValueError(f"Unsupported order {order!r}") from exc
        self._by_order[order].append((factory, type))
        if order is Order.normal:
            for each in type if isinstance(type, tuple) else (type,):
                self._by_type[each] = factory


def _find_among(items: Iterable[tuple[_Factory, Any]], data: Any) -> _Factory | None:
    matching: Iterator[_Factory] = (factory for factory, type in items if isinstance(data, type))
    return next(matching, None)


PAYLOAD_REGISTRY = PayloadRegistry()


def get_payload(data: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a payload of a value, see `PayloadRegistry.get`."""
    return PAYLOAD_REGISTRY.get(data, *args, **kwargs)


def register_payload(factory: _Factory, type: Any, *, order: Order = Order.normal) -> None:
    """Let a class take the values of a type, see `PayloadRegistry.register`."""
    PAYLOAD_REGISTRY.register(factory, type, order=order)


class payload_type:
    """A decorator of a class that takes the values of a type, see `PayloadRegistry.register`."""

    def __init__(self, type: Any, *, order: Order = Order.normal) -> None:
        self._type = type
        self._order = order

    def __call__(self, factory: _FactoryType) -> _FactoryType:
        register_payload(factory, self._type, order=self._order)
        return factory
