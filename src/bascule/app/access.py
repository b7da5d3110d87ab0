"""The access log: one line for each answer, in aiohttp's format language."""

import datetime
import logging
import os
import re
import time as time_module
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from ..message.request import BaseRequest
from ..message.stream import StreamResponse

__all__ = ["AbstractAccessLogger", "AccessLogger"]


class AbstractAccessLogger(ABC):
    """Writes about answers that are complete.

    Args:
        logger: to write to.
        log_format: as the class understands it.
    """

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        self.logger = logger
        self.log_format = log_format

    @abstractmethod
    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write about one answer, which took `time` seconds."""

    @property
    def enabled(self) -> bool:
        """Whether `log` is worth calling; asked once for a server."""
        return True


_Atom = Callable[[BaseRequest, StreamResponse, float], Any]


class AccessLogger(AbstractAccessLogger):
    """The usual access log.

    The format is made of text and of atoms: ``%%``, ``%a`` remote address, ``%t`` start time,
    ``%P`` process id, ``%r`` request line, ``%s`` status, ``%b`` bytes sent, ``%T`` seconds,
    ``%Tf`` seconds with fraction, ``%D`` microseconds, ``%{Name}i`` a request field and
    ``%{Name}o`` a response field. Each value is in the record's ``extra`` too.
    """

    LOG_FORMAT: Final = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'
    _ATOM: Final = re.compile(r"%(?:\{([A-Za-z0-9\-_]+)\}([io])|(Tf|[atPrsbTD]))|%%")

    def __init__(self, logger: logging.Logger, log_format: str = LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        self._template, self._atoms = self._compile(log_format)

    @property
    def enabled(self) -> bool:
        """Whether the logger takes INFO."""
        return self.logger.isEnabledFor(logging.INFO)

    def _compile(self, log_format: str) -> tuple[str, list[tuple[Any, _Atom]]]:
        """Turn a format into a %-template and what fills it; unknown atoms stay as text."""
        atoms: list[tuple[Any, _Atom]] = []
        template, position = "", 0
        for match in self._ATOM.finditer(log_format):
            template += log_format[position : match.start()].replace("%", "%%")
            position = match.end()
            name, side, letter = match.groups()
            if name is not None:
                kind = "request_header" if side == "i" else "response_header"
                atoms.append(((kind, name), _field_atom(name, side)))
            elif letter is not None:
                atoms.append(_ATOMS[letter])
            template += "%%" if match[0] == "%%" else "%s"
        return template + log_format[position:].replace("%", "%%"), atoms

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write a line at INFO; an error in it is logged and goes no further."""
        try:
            values = [(key, atom(request, response, time)) for key, atom in self._atoms]
            extra: dict[str, Any] = {}
            for key, value in values:
                if isinstance(key, str):
                    extra[key] = value
                else:
                    extra.setdefault(key[0], {})[key[1]] = value
            line = self._template % tuple(value for _, value in values)
            self.logger.info(line, extra=extra)  # the format is the user's
        except Exception:
            self.logger.exception("Error in logging")


def _field_atom(name: str, side: str) -> _Atom:
    if side == "i":
        return lambda request, response, time: _escape(request.headers.get(name, "-"))
    return lambda request, response, time: response.headers.get(name, "-")


def _escape(text: str) -> str:
    """Let nothing that a client sent break the line or reach a terminal."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _start_time(request: BaseRequest, response: StreamResponse, time: float) -> str:
    zone = datetime.timezone(datetime.timedelta(seconds=time_module.localtime().tm_gmtoff))
    start = datetime.datetime.now(zone) - datetime.timedelta(seconds=time)
    return start.strftime("[%d/%b/%Y:%H:%M:%S %z]")


def _request_line(request: BaseRequest, response: StreamResponse, time: float) -> str:
    version = request.version
    return f"{request.method} {_escape(request.path_qs)} HTTP/{version.major}.{version.minor}"


_ATOMS: dict[str, tuple[str, _Atom]] = {
    "a": ("remote_address", lambda request, response, time: request.remote or "-"),
    "t": ("request_start_time", _start_time),
    "P": ("process_id", lambda request, response, time: f"<{os.getpid()}>"),
    "r": ("first_request_line", _request_line),
    "s": ("response_status", lambda request, response, time: response.status),
    "b": ("response_size", lambda request, response, time: response.body_length),
    "T": ("request_time", lambda request, response, time: str(round(time))),
    "Tf": ("request_time_frac", lambda request, response, time: f"{time:06f}"),
    "D": ("request_time_micro", lambda request, response, time: str(round(time * 1000000))),
}
