"""A formatter for logs that programs read: one JSON object a line."""

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from reprlib import Repr
from typing import Any

__all__ = ["JSONFormatter"]

# What a record has of its own; the rest came by ``extra``. `taskName` is there from 3.12 on.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200
# Containers inside one another that are told one by one, as in reprlib.
_MAX_DEPTH = 6
# Beyond that JSON's readers lose digits, or refuse.
_MAX_BITS = 64


class JSONFormatter(logging.Formatter):
    """Formats a record as a JSON object in one line of ASCII.

    Its members, in this order:

    - ``time``: ISO 8601 in UTC, with milliseconds;
    - ``level``: such as ``INFO``;
    - ``logger``: its name;
    - ``message``;
    - each field of ``extra`` under its name. Those of the access log are ``remote_address``,
      ``request_start_time``, ``process_id``, ``first_request_line``, ``response_status``,
      ``response_size``, ``request_time``, ``request_time_frac``, ``request_time_micro``,
      ``request_header`` and ``response_header``, as far as the log's format has them;
    - ``exception`` and ``stack``: texts, where the record has them.

    A field of ``extra`` with one of the other names gets underscores behind it. A value that JSON
    does not have (NaN, an integer of more than 64 bits, bytes, an object, a container in itself
    or more than 6 deep) is told by its repr, cut to a bounded length, and so is a key that is no
    str. The arguments of `logging.Formatter` are accepted, and only those about exceptions and
    stacks, which are methods, have an effect.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; no value in it can make this fail."""
        told: dict[str, Any] = {
            "time": self._format_time(record),
            "level": _to_text(str(record.levelname)),
            "logger": _to_text(str(record.name)),
            "message": _to_text(_get_message(record)),
        }
        ending = self._format_trouble(record)
        taken = told.keys() | ending.keys()
        for name, value in vars(record).items():
            if name not in _OWN:
                _add(told, name, _to_json(value, _MAX_DEPTH), taken)
        return json.dumps(told | ending, allow_nan=False)

    def _format_time(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="milliseconds") + "Z"

    def _format_trouble(self, record: logging.LogRecord) -> dict[str, str]:
        told = {}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            told["exception"] = _to_text(record.exc_text)
        if record.stack_info:
            told["stack"] = _to_text(self.formatStack(record.stack_info))
        return told


def _get_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit: a line with a mistake beats none
        return f"{_shorten(record.msg)} % {_shorten(record.args)}"


def _add(told: dict[str, Any], name: object, value: Any, taken: Any = ()) -> None:
    """Add a member under a name that is still free."""
    text = _to_text(name) if isinstance(name, str) else _shorten(name)
    while text in told or text in taken:
        text += "_"
    told[text] = value


def _to_json(value: Any, depth: int) -> Any:  # Any: whatever programs put into records
    """Make of any value one that JSON has."""
    try:
        return _convert(value, depth)
    except Exception:  # it is not what it says it is, or changes under our hands
        return _shorten(value)


def _convert(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _to_text(value)
    if isinstance(value, int) and int.bit_length(value) <= _MAX_BITS:
        return int.__int__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__float__(value)
    if depth and isinstance(value, Mapping):
        told: dict[str, Any] = {}
        for name, inner in value.items():
            _add(told, name, _to_json(inner, depth - 1))
        return told
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_to_json(inner, depth - 1) for inner in value]
    return _shorten(value)


def _to_text(text: str) -> str:
    """Escape lone surrogates, which strict readers of JSON refuse."""
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")


def _shorten(value: object) -> str:
    """Give the repr of a value, cut to a bounded length, whatever becomes of it."""
    try:
        return _to_text(_SHORT.repr(value))
    except Exception:
        return f"<{type(value).__name__} without a repr>"
