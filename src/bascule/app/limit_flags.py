"""The options of connections as flags of the command line."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..server.options import ConnectionOptions
from ..wire.head import HeadLimits

__all__ = ["FLAGS", "add_limit_flags", "take_limits"]

_DEFAULTS = {
    one.name: one.default
    for one in (*dataclasses.fields(ConnectionOptions), *dataclasses.fields(HeadLimits))
}
# What `run_app` passes where nothing is said.
_DEFAULTS |= {"keepalive_timeout": 75, "limit_connections": "auto"}
_HEAD_LIMITS = frozenset(one.name for one in dataclasses.fields(HeadLimits))


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag of one option.

    Attributes:
        option: name of the keyword argument.
        metavar: what its value is; empty for a switch.
        help: what it does, without the default.
        names: besides the name of the option; uvicorn's, where it has one.
        off: what a switch sets.
    """

    option: str
    metavar: str
    help: str
    names: tuple[str, ...] = ()
    off: Any = None

    @property
    def flags(self) -> tuple[str, ...]:
        """All names, those of others behind ours."""
        prefix = "" if self.metavar else "no-"
        return (f"--{prefix}{self.option.replace('_', '-')}", *self.names)


_TIMES = (
    _Flag(
        "keepalive_timeout",
        "SECONDS",
        "keep an idle connection for so long; 0 closes each behind its answer",
        ("--timeout-keep-alive",),
    ),
    _Flag(
        "first_byte_timeout",
        "SECONDS",
        "a new connection until its first byte; likewise a TLS handshake",
    ),
    _Flag("head_timeout", "SECONDS", "a whole request head, from its first byte; else 408"),
    _Flag("body_timeout", "SECONDS", "between two reads of a body that is waited for; else 408"),
    _Flag("min_body_rate", "BYTES", "a second of a body that is waited for; else 408"),
    _Flag("body_rate_grace", "SECONDS", "of waiting until that rate is asked for"),
    _Flag("send_timeout", "SECONDS", "until a peer is dropped that takes none of what is sent"),
    _Flag("lingering_time", "SECONDS", "for which an unread body is read away behind its answer"),
    _Flag("farewell_time", "SECONDS", "that a peer gets to read the last answer"),
)
_SIZES = (
    _Flag("max_line_size", "BYTES", "of a request line; else 414"),
    _Flag("max_field_size", "BYTES", "of a header field; else 431"),
    _Flag(
        "max_head_size",
        "BYTES",
        "of a request head; else 431",
        ("--h11-max-incomplete-event-size",),
    ),
    _Flag("max_headers", "COUNT", "header fields of a request; else 431"),
    _Flag("max_chunk_line", "BYTES", "of a line that gives the size of a chunk; else 400"),
    _Flag(
        "max_chunk_extensions",
        "BYTES",
        "of chunk extensions, beyond one for each byte of data; else 400",
    ),
    _Flag("lingering_size", "BYTES", "of an unread body that are read away behind its answer"),
    _Flag(
        "read_bufsize",
        "BYTES",
        "of a body that wait for the application; reading pauses at twice that",
    ),
    _Flag("max_read_ahead", "BYTES", "of further requests that come while one is answered"),
    _Flag("ws_window_bits", "BITS", "of compressed WebSocket messages, 9 to 15"),
    _Flag("ws_memory_level", "LEVEL", "of their compressor, 1 to 9"),
    _Flag(
        "ws_max_fragments",
        "COUNT",
        "fragments of a WebSocket message, unless they are large; else 1009",
    ),
)
_COUNTS = (
    _Flag(
        "limit_connections",
        "COUNT",
        "connections beyond which new ones wait; auto: open files that are allowed, less 64; or "
        "none",
        ("--limit-concurrency",),
    ),
    _Flag("keepalive_requests", "COUNT", "requests that a connection serves before it is closed"),
    _Flag("log_rate", "COUNT", "lines of log a second about what peers do wrong"),
    _Flag("http", "ENGINE", "auto reads ordinary heads by a lane beside h11, h11 all by h11"),
    _Flag("tcp_keepalive", "", "do not let the system look for peers that are gone", off=False),
    _Flag("server_header", "", "send no Server field", off=""),
)
FLAGS = (*_TIMES, *_SIZES, *_COUNTS)


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each option of connections."""
    _add_group(parser, "connections", None, _COUNTS)
    _add_group(
        parser,
        "times",
        "None runs while the application computes or a WebSocket is open; inf for no limit.",
        _TIMES,
    )
    _add_group(parser, "sizes", None, _SIZES)


def take_limits(options: argparse.Namespace) -> dict[str, Any]:
    """Give the options that were set, as keyword arguments."""
    given = vars(options)
    return {flag.option: given[flag.option] for flag in FLAGS if flag.option in given}


def _add_group(
    parser: argparse.ArgumentParser, title: str, description: str | None, flags: Iterable[_Flag]
) -> None:
    group = parser.add_argument_group(title, description)
    for flag in flags:
        common: dict[str, Any] = {"dest": flag.option, "default": argparse.SUPPRESS}
        if flag.metavar:
            text = f"{flag.help} (default: {_tell_default(flag)})"
            group.add_argument(
                *flag.flags, metavar=flag.metavar, type=_reader(flag), help=text, **common
            )
        else:
            group.add_argument(
                *flag.flags, action="store_const", const=flag.off, help=flag.help, **common
            )


def _tell_default(flag: _Flag) -> str:
    default = _DEFAULTS[flag.option]
    if default is None:
        return "none"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _reader(flag: _Flag) -> Callable[[str], Any]:
    """Make what reads a value, held to the rules of the option itself."""

    def read(text: str) -> Any:
        value = _parse(flag, text)
        options = HeadLimits if flag.option in _HEAD_LIMITS else ConnectionOptions
        try:
            options(**{flag.option: value})
        except (TypeError, ValueError) as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None
        return value

    return read


def _parse(flag: _Flag, text: str) -> Any:
    if text == "none" and _DEFAULTS[flag.option] in (None, "auto"):
        return None
    try:
        return float(text) if flag.metavar == "SECONDS" else int(text)
    except ValueError:
        return text  # the option's own rules say what is wrong with it
