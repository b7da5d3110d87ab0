"""The command line: ``bascule module:app`` serves an application, ``bascule routes`` lists it."""

import argparse
import asyncio
import importlib
import inspect
import logging
import os
import stat
import sys
from collections.abc import Awaitable, Sequence
from typing import Any, NoReturn

from . import __version__

__all__ = ["main"]

# What the process ends with when the application itself failed to start or to end, as uvicorn's.
_FAILED = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names; without one, serve."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["routes"]:
        _show_routes(arguments[1:])
    elif arguments[:1] == ["run"]:
        _run(arguments[1:])
    else:
        _run(arguments)


def _run(arguments: Sequence[str]) -> None:
    """Serve the application that the arguments name, until a signal ends it."""
    options = _make_run_parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Said here, so that run_app's own choice for debug mode does not stand.
    logging.getLogger("bascule.access").setLevel(options.log_level.upper())
    app = _call_factory(load_app(options.app, options.app_dir))
    _serve(app, options)


def _make_run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bascule",
        usage="%(prog)s [options] module:app",
        description="Serve a bascule or ASGI application over HTTP/1.1.",
        epilog="`bascule run module:app` is the same as `bascule module:app`; "
        "`bascule routes module:app` shows the route table of a bascule application.",
    )
    _add_app(parser)
    parser.add_argument("--version", action="version", version=f"bascule {__version__}")
    _add_addresses(parser)
    _add_life(parser)
    _add_logs(parser)
    _add_tls(parser)
    from .app.limit_flags import add_limit_flags

    add_limit_flags(parser)
    return parser


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it is served")
    group.add_argument("--host", help="address to bind (default: 127.0.0.1)")
    group.add_argument("--port", type=_read_port, help="port to bind, 0 for any (default: 8000)")
    group.add_argument(
        "--uds",
        metavar="PATH",
        help="bind a Unix socket that all users may connect to, unless there was one with other "
        "permissions; TCP then only where --host or --port is given too",
    )
    group.add_argument(
        "--backlog",
        type=_read_backlog,
        default=128,
        metavar="COUNT",
        help="connections that wait to be accepted (default: 128)",
    )
    group.add_argument(
        "--root-path",
        default="",
        metavar="PATH",
        help="prefix of its paths, whether a proxy in front takes it off or not",
    )


def _add_life(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("start and end")
    group.add_argument(
        "--lifespan",
        default="auto",
        choices=["auto", "on", "off"],
        help="tell an ASGI application of them: if it has a lifespan (auto, the default), it must "
        "have one (on), no (off)",
    )
    group.add_argument(
        "--timeout-graceful-shutdown",
        type=_read_seconds,
        metavar="SECONDS",
        help="that answers in progress get at the end (default: 60)",
    )


def _add_logs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("logs")
    group.add_argument(
        "--log-level",
        default="info",
        choices=["debug", "info", "warning", "error", "critical"],
        help="write what is at least so urgent (default: info)",
    )
    group.add_argument("--no-access-log", action="store_true", help="write no access log")


def _add_tls(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS", "Files are in PEM.")
    group.add_argument("--ssl-certfile", metavar="FILE", help="serve TLS with this certificate")
    group.add_argument("--ssl-keyfile", metavar="FILE", help="its key, if it is in another file")
    group.add_argument(
        "--ssl-keyfile-password", metavar="TEXT", help="of the key, if it is encrypted"
    )
    group.add_argument(
        "--ssl-ca-certs", metavar="FILE", help="what certificates of clients have to lead to"
    )
    group.add_argument(
        "--ssl-cert-reqs",
        type=int,
        default=0,
        choices=[0, 1, 2],
        help="whether clients show certificates: no (0, the default), those that have one (1), "
        "all (2)",
    )


def _load_tls(options: argparse.Namespace) -> Any:  # Any: an SSLContext; ssl is not for all
    """Make the TLS context that the options ask for; None for plain connections."""
    names = (options.ssl_certfile, options.ssl_keyfile, options.ssl_ca_certs)
    if not (any(names) or options.ssl_cert_reqs or options.ssl_keyfile_password):
        return None
    from .app.tls_files import TlsFilesError, load_tls

    try:
        return load_tls(
            options.ssl_certfile,
            options.ssl_keyfile,
            options.ssl_keyfile_password,
            ca_certs=options.ssl_ca_certs,
            cert_reqs=options.ssl_cert_reqs,
        )
    except TlsFilesError as exc:
        _fail(str(exc))


def _read_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _read_port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid int value: {text!r}") from None
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is none of 0 to 65535")
    return port


def _read_backlog(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of connections")
    return int(text)


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "app", help="where the application is: module:attribute; or a function that makes it"
    )
    parser.add_argument(
        "--app-dir", default=".", metavar="DIRECTORY", help="look for the module here first"
    )


def _serve(app: Any, options: argparse.Namespace) -> None:  # Any: whatever was loaded
    from .app.limit_flags import take_limits
    from .asgi.lifespan import LifespanError
    from .server.bind_errors import tell_reason
    from .web import access_logger, run_app

    more: dict[str, Any] = {"ssl_context": _load_tls(options), "backlog": options.backlog}
    more |= take_limits(options)
    if options.timeout_graceful_shutdown is not None:
        more["shutdown_timeout"] = options.timeout_graceful_shutdown
    host, port = options.host, options.port
    if options.uds is None or host is not None or port is not None:
        host = "127.0.0.1" if host is None else host
        port = 8000 if port is None else port
    try:
        run_app(
            app,
            host=host,
            port=port,
            path=options.uds,
            path_mode=None if options.uds is None else _choose_mode(options.uds),
            access_log=None if options.no_access_log else access_logger,
            root_path=options.root_path,
            lifespan=options.lifespan,
            **more,
        )
    except TypeError as exc:
        if "should be web.Application" not in str(exc):
            raise
        _fail(f"{options.app}: {exc}")
    except ValueError as exc:
        if not str(exc).startswith(("root_path should ", "lifespan=")):
            raise
        _fail(f"{options.app}: {exc}")
    except LifespanError as exc:
        _fail(f"{options.app}: {exc}", _FAILED)
    except OSError as exc:
        reason = tell_reason(exc)
        if reason is None:  # an error of the application's own, while it starts
            raise
        _fail(f"cannot {reason.removeprefix('Cannot ')}")


def _choose_mode(path: str) -> int:
    """Choose the permissions of a socket: those of the one that it replaces, or everybody's, since
    the proxy in front as a rule runs as another user."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0o666


def _show_routes(arguments: Sequence[str]) -> None:
    """Print the route table of the application that the arguments name."""
    from .app.application import Application
    from .routing.listing import dump_routes

    options = _make_routes_parser().parse_args(arguments)
    app = _call_factory(load_app(options.app, options.app_dir))
    if inspect.isawaitable(app):  # as `run_app` takes it
        app = asyncio.run(_wait_for(app))
    if not isinstance(app, Application):
        _fail(f"{options.app}: only a bascule.web.Application has a route table, got {app!r:.200}")
    try:
        print("\n".join(dump_routes(app.router)))
    except TypeError as exc:
        _fail(f"{options.app}: {exc}")


def _make_routes_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bascule routes",
        description="Show the route table of a bascule application: methods, path, name, handler "
        "and, where they are set, timeout, client_max_size and middlewares of each route.",
        epilog="Routes are in the order of their registration; of those that match a path the one "
        "with the longest literal prefix answers, domains before all. The module is imported; the "
        "application is not started, so routes that it adds while it starts up are not shown.",
    )
    _add_app(parser)
    return parser


async def _wait_for(app: Awaitable[Any]) -> Any:  # Any: whatever was promised
    return await app


def load_app(name: str, directory: str = ".") -> Any:  # Any: whatever stands under that name
    """Import what ``module:attribute`` names; the module is looked for in `directory` first.

    Raises:
        SystemExit: it is not there; a line says what is missing. An error inside the module is
            shown with its traceback.
    """
    module_name, _, attributes = name.partition(":")
    if not module_name or not attributes or module_name.startswith("."):
        _fail(f"{name!r} is not of the form module:attribute")
    sys.path.insert(0, os.path.abspath(directory))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if missing != module_name and not module_name.startswith(f"{missing}."):
            raise  # the module is there; what it imports is not
        _fail(f"no module {module_name!r} (looked in {os.path.abspath(directory)} first)")
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            _fail(f"module {module_name!r} has no attribute {attributes!r}")
    return found


def _call_factory(found: Any) -> Any:  # Any: whatever was loaded
    """Call a function that takes nothing: it cannot be an application, so it makes one."""
    if inspect.isfunction(found):
        parameters = inspect.signature(found).parameters.values()
        if all(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in parameters):
            return found()
    return found


def _fail(message: str, status: int = 2) -> NoReturn:
    print(f"bascule: error: {message}", file=sys.stderr)
    raise SystemExit(status)
