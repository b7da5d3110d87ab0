"""The access log: one line for each answer, in aiohttp's format language."""

import logging
import os
import re
import time as time_module
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache, partial
from inspect import isawaitable
from typing import Any, ClassVar, Final, NamedTuple

from ..message.request import BaseRequest
from ..message.stream import StreamResponse

__all__ = [
    "AbstractAccessLogger",
    "AbstractAsyncAccessLogger",
    "AccessLogger",
    "KeyMethod",
    "make_access_logger",
    "tell",
]


class AbstractAccessLogger(ABC):
    """Writes about answers that are complete; one instance serves a whole server.

    Args:
        logger: to write to.
        log_format: as the class understands it.
    """

    __slots__ = ("log_format", "logger")

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        self.logger = logger
        self.log_format = log_format

    @abstractmethod
    def log(
        self, request: BaseRequest, response: StreamResponse, time: float
    ) -> Awaitable[None] | None:
        """Write about one answer, which took `time` seconds.

        Called in the request's task and context, behind the answer's last byte. It may be a
        coroutine function, which is then awaited there: see `AbstractAsyncAccessLogger`.
        """

    @property
    def enabled(self) -> bool:
        """Whether `log` is worth calling."""
        return True


class AbstractAsyncAccessLogger(AbstractAccessLogger):
    """An access logger that may wait; a bound on that is its own business.

    The next request of the connection is taken up when `log` has returned, and a server that
    ends waits for it as for a handler.
    """

    __slots__ = ()

    @abstractmethod
    async def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write about one answer, which took `time` seconds.

        An exception is logged and goes no further; cancellation does.
        """


class KeyMethod(NamedTuple):
    """What fills one atom of a format.

    Attributes:
        key: where the value stands in the record; a pair for a value in a dict of the record.
        method: gives the value for a request, its response and the seconds it took.
    """

    key: str | tuple[str, str]
    method: Callable[[BaseRequest, StreamResponse, float], Any]


class AccessLogger(AbstractAccessLogger):
    """The usual access log.

    The format is made of text and of atoms: ``%%``, ``%a`` remote address, ``%t`` start time,
    ``%P`` process id, ``%r`` request line, ``%s`` status, ``%b`` bytes sent, head included (under
    an ASGI host those of the body), ``%T`` seconds, ``%Tf`` seconds with fraction, ``%D``
    microseconds, ``%{Name}i`` a request field and ``%{Name}o`` a response field. Each value is in
    the record's ``extra`` too, under its name in `LOG_FORMAT_MAP`. Characters that are not
    printable are escaped, so that no client can break the line or reach a terminal.

    A subclass may replace ``_format_a`` and the like, add atoms by way of `FORMAT_RE`,
    `LOG_FORMAT_MAP` and a method, or replace `compile_format` or ``_format_line``.

    Raises:
        KeyError: the format has an atom that is known to `FORMAT_RE` only, as ``%O``.
    """

    LOG_FORMAT_MAP: ClassVar[dict[str, str]] = {
        "a": "remote_address",
        "t": "request_start_time",
        "P": "process_id",
        "r": "first_request_line",
        "s": "response_status",
        "b": "response_size",
        "T": "request_time",
        "Tf": "request_time_frac",
        "D": "request_time_micro",
        "i": "request_header",
        "o": "response_header",
    }
    LOG_FORMAT: ClassVar[str] = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'
    FORMAT_RE: ClassVar[re.Pattern[str]] = re.compile(
        r"%(\{([A-Za-z0-9\-_]+)\}([ioe])|[atPrsbOD]|Tf?)"
    )
    CLEANUP_RE: ClassVar[re.Pattern[str]] = re.compile(r"(%[^s])")

    def __init__(self, logger: logging.Logger, log_format: str = LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        self._log_format, self._methods = self.compile_format(log_format)
        # A subclass may fill lines in a way of its own.
        usual = type(self)._format_line is AccessLogger._format_line
        self._plan = _Plan(self._methods) if usual else None

    @property
    def enabled(self) -> bool:
        """Whether the logger takes INFO."""
        return self.logger.isEnabledFor(logging.INFO)

    def compile_format(self, log_format: str) -> tuple[str, list[KeyMethod]]:
        """Turn a format into a %-template and what fills it; unknown atoms stay as text."""
        methods: list[KeyMethod] = []
        parts = []
        for part in log_format.split("%%"):
            methods += [self._find_method(atom) for atom in self.FORMAT_RE.finditer(part)]
            text = self.CLEANUP_RE.sub(r"%\1", self.FORMAT_RE.sub("%s", part))
            parts.append(f"{text}%" if text.endswith("%") else text)
        return "%%".join(parts), methods

    def _find_method(self, atom: re.Match[str]) -> KeyMethod:
        _, name, kind = atom.groups()
        letter = kind or atom[0][1:]
        if letter not in self.LOG_FORMAT_MAP:
            raise KeyError(f"Nothing fills the atom {atom[0]!r} of an access log")
        key, method = self.LOG_FORMAT_MAP[letter], getattr(self, f"_format_{letter}")
        return KeyMethod((key, name), partial(method, name)) if kind else KeyMethod(key, method)

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write a line at INFO; an error in it is logged and goes no further."""
        try:
            if self._plan is not None:
                values = [each(request, response, time) for each in self._plan.methods]
                extra = self._plan.fill(values)
            else:
                values, extra = _sort_line(self._format_line(request, response, time))
            line = self._log_format % tuple(values)
            logger = self.logger
            if type(logger) is logging.Logger:
                # What `info` does, but for a search of the stack: the caller is known.
                record = logger.makeRecord(
                    logger.name, logging.INFO, *_CALLER, line, (), None, "log", extra
                )
                logger.handle(record)
            else:
                logger.info(line, extra=extra)
        except Exception:
            self.logger.exception("Error in logging")

    def _format_line(
        self, request: BaseRequest, response: StreamResponse, time: float
    ) -> Iterable[tuple[str | tuple[str, str], Any]]:
        return [(key, method(request, response, time)) for key, method in self._methods]

    # -- the atoms; a request is None where there was none

    @staticmethod
    def _format_a(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        remote = None if request is None else request.remote
        return _escape(remote or "-")

    @staticmethod
    def _format_t(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        return _dump_start(int(time_module.time() - time))

    @staticmethod
    def _format_P(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        return f"<{os.getpid()}>"

    @staticmethod
    def _format_r(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        if request is None:
            return "-"
        major, minor = request.version
        return _escape(f"{request.method} {request.path_qs} HTTP/{major}.{minor}")

    @staticmethod
    def _format_s(request: BaseRequest | None, response: StreamResponse, time: float) -> int:
        return response.status

    @staticmethod
    def _format_b(request: BaseRequest | None, response: StreamResponse, time: float) -> int:
        return response.body_length

    @staticmethod
    def _format_T(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        return str(round(time))

    @staticmethod
    def _format_Tf(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        return f"{time:06f}"

    @staticmethod
    def _format_D(request: BaseRequest | None, response: StreamResponse, time: float) -> str:
        return str(round(time * 1000000))

    @staticmethod
    def _format_i(
        key: str, request: BaseRequest | None, response: StreamResponse, time: float
    ) -> str:
        return "(no headers)" if request is None else _escape(request.headers.get(key, "-"))

    @staticmethod
    def _format_o(
        key: str, request: BaseRequest | None, response: StreamResponse, time: float
    ) -> str:
        return _escape(response.headers.get(key, "-"))


class _Plan:
    """Where the values of a line stand in the ``extra`` of its record: some by themselves, some in
    a dict."""

    __slots__ = ("_nested", "_single", "methods")

    def __init__(self, methods: list[KeyMethod]) -> None:
        self.methods = [each.method for each in methods]
        self._single: list[tuple[str, int]] = []
        nested: dict[str, list[tuple[str, int]]] = {}
        for place, (key, _) in enumerate(methods):
            if isinstance(key, str):
                self._single.append((key, place))
            else:
                nested.setdefault(key[0], []).append((key[1], place))
        self._nested = list(nested.items())

    def fill(self, values: list[Any]) -> dict[str, Any]:  # Any: as of `KeyMethod`
        """Give the ``extra`` of a line with these values."""
        extra: dict[str, Any] = {name: values[place] for name, place in self._single}
        for name, places in self._nested:
            extra[name] = {inner: values[place] for inner, place in places}
        return extra


def _sort_line(
    line: Iterable[tuple[str | tuple[str, str], Any]],
) -> tuple[list[Any], dict[str, Any]]:
    """Give the values of a line, and the ``extra`` of its record."""
    values = []
    extra: dict[str, Any] = {}
    for key, value in line:
        values.append(value)
        if isinstance(key, str):
            extra[key] = value
        else:
            extra.setdefault(key[0], {})[key[1]] = value
    return values, extra


_CALLER: Final = (__file__, AccessLogger.log.__code__.co_firstlineno)


@lru_cache(maxsize=32)  # measured: half of the price of a line; most lines share their second
def _dump_start(second: int) -> str:
    """Format a moment in the local zone, with the zone's offset of that moment."""
    start = datetime.fromtimestamp(second, UTC).astimezone()
    return start.strftime("[%d/%b/%Y:%H:%M:%S %z]")


def _escape(text: str) -> str:
    """Let nothing that a client sent break the line or reach a terminal.

    Field values are full of what clients like: line ends by way of other versions of HTTP, bytes
    of terminal control, surrogates that no file can be written with.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def make_access_logger(
    logger: logging.Logger | None,
    access_log_class: type[AbstractAccessLogger] = AccessLogger,
    access_log_format: str = AccessLogger.LOG_FORMAT,
) -> AbstractAccessLogger | None:
    """Make what writes an access log to `logger`; None for a logger of None.

    Raises:
        TypeError: the class is no access logger.
        KeyError: see `AccessLogger`.
    """
    if not (
        isinstance(access_log_class, type) and issubclass(access_log_class, AbstractAccessLogger)
    ):
        raise TypeError(
            "access_log_class must be subclass of bascule.web.AbstractAccessLogger or "
            f"bascule.web.AbstractAsyncAccessLogger, got {access_log_class!r:.200}"
        )
    return access_log_class(logger, access_log_format) if logger else None


def tell(
    access_logger: AbstractAccessLogger,
    request: BaseRequest,
    response: StreamResponse,
    time: float,
    error_logger: logging.Logger,
) -> Awaitable[None] | None:
    """Let an access logger write about one answer; give what is to be awaited where it waits.

    Its errors end in `error_logger`: the answer has left, and nobody else could be told.
    """
    try:
        if access_logger.enabled:
            written = access_logger.log(request, response, time)
            if written is not None and isawaitable(written):
                return _wait_for(written, error_logger)
    except Exception:
        error_logger.exception("Error in logging")
    return None


async def _wait_for(written: Awaitable[None], error_logger: logging.Logger) -> None:
    try:
        await written
    except Exception:
        error_logger.exception("Error in logging")
