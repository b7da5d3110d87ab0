"""Programs that serve: each runs in a process of its own, on aiohttp.web or on bascule.web.

``python -m differential.running_programs bascule.web`` reads a list of cases as JSON, forks for
each, and writes what each printed, how it ended and what its last error was.
"""

import asyncio
import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from support.reference import keep_asserts

from .ending_programs import end, flight
from .listening_programs import listen, site
from .steps import note
from .turn_programs import turns

__all__ = ["MISTAKES", "PROGRAMS", "main"]

# A safety net: a program that runs so long hangs.
_PATIENCE = 20

# -- again, and elsewhere


def again(web: Any, case: dict[str, Any]) -> None:
    """Run twice in a process, in its main thread or in others, after asyncio.run or not."""

    def run(number: int) -> None:
        def leave(text: str) -> None:
            note("running", number)
            raise web.GracefulExit

        async def cleanup(app: Any) -> None:
            note("cleanup", number)

        async def nothing() -> None:
            pass

        if case["first"] == "asyncio.run":
            asyncio.run(nothing())
        app = web.Application()
        app.on_cleanup.append(cleanup)
        options = (
            {}
            if case["signals"] is None
            else {"handle_signals": not case["error"].endswith("untaken")}
        )
        try:
            web.run_app(app, host="127.0.0.1", port=0, print=leave, **options)
        except Exception as exc:
            note(type(exc).__name__, str(exc))

    for number in (1, 2):
        if case["thread"]:
            thread = threading.Thread(target=run, args=(number,))
            thread.start()
            thread.join()
        else:
            run(number)


# -- what cannot be served


def mistake(web: Any, case: dict[str, Any]) -> None:
    """Call run_app with something that will not do; say how far it comes."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Path("file").touch()
        options = {"host": "127.0.0.1", "port": 0, **MISTAKES[case["mistake"]](web, taken)}
        app = options.pop("app", None) or _make_talkative(web)
        if case["app"] == "coroutine":
            app = _give(app)
        if case["more"]:
            options["path"] = options.get("path", "good.sock")

        def leave(text: str) -> None:
            note("it runs")
            raise web.GracefulExit

        try:
            web.run_app(app, print=leave, **options)
        finally:
            note("socket left:", Path("good.sock").exists())


async def _give(app: Any) -> Any:
    note("make")
    return app


def _make_talkative(web: Any) -> Any:
    async def context(app: Any) -> AsyncIterator[None]:
        note("enter")
        yield
        note("leave")

    app = web.Application()
    app.cleanup_ctx.append(context)
    return app


MISTAKES: dict[str, Callable[[Any, socket.socket], dict[str, Any]]] = {
    "port taken": lambda web, taken: {"port": taken.getsockname()[1]},
    "port too high": lambda web, taken: {"port": 70000},
    "port negative": lambda web, taken: {"port": -1},
    "port of None too high": lambda web, taken: {"host": "", "port": 70000},
    "port a float": lambda web, taken: {"port": 0.5},
    "host unknown": lambda web, taken: {"host": "no.such.host.invalid"},
    "host not here": lambda web, taken: {"host": "203.0.113.1"},
    "host a number": lambda web, taken: {"host": 7},
    "path a file": lambda web, taken: {"path": "file"},
    "path a directory": lambda web, taken: {"path": "."},
    "path nowhere": lambda web, taken: {"path": "nowhere/s"},
    "path too long": lambda web, taken: {"path": "x" * 200},
    "path a number": lambda web, taken: {"path": 7},
    "sock a number": lambda web, taken: {"sock": 7},
    "ssl a path": lambda web, taken: {"ssl_context": "cert.pem"},
    "ssl a bool": lambda web, taken: {"ssl_context": True},
    "app a number": lambda web, taken: {"app": 7},
    "app a class": lambda web, taken: {"app": web.Application},
    "app a module": lambda web, taken: {"app": web},
    "app a function": lambda web, taken: {"app": _give},
    "log class": lambda web, taken: {"access_log_class": int},
}


# -- the access log in debug mode


def log(web: Any, case: dict[str, Any]) -> None:
    """Run in a loop in debug mode or not; say what has become of the logger."""
    name = "aiohttp.access" if "aiohttp" in web.__name__ else "bascule.access"
    logger = logging.getLogger(name if case["logger"] == "default" else "other")
    logger.setLevel(case["level"])
    for owner in case["handlers"]:
        (logger if owner == "own" else logging.getLogger()).addHandler(logging.NullHandler())

    def leave(text: str) -> None:
        raise web.GracefulExit

    loop = asyncio.new_event_loop()
    loop.set_debug(case["debug"])
    options = {} if case["logger"] == "default" else {"access_log": logger}
    if case["logger"] == "none":
        options = {"access_log": None}
    web.run_app(web.Application(), host="127.0.0.1", port=0, loop=loop, print=leave, **options)
    note(logger.level, [type(handler).__name__ for handler in logger.handlers], logger.propagate)
    note([type(handler).__name__ for handler in logging.getLogger().handlers])


PROGRAMS: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "listen": listen,
    "site": site,
    "end": end,
    "log": log,
    "turns": turns,
    "flight": flight,
    "again": again,
    "mistake": mistake,
}


# -- the process


def main(implementation: str) -> None:
    """Run the cases that standard input names, each in a child; write their outcomes."""
    keep_asserts("aiohttp")
    web = importlib.import_module(implementation)
    cases = json.load(sys.stdin)
    gc.freeze()  # else the children copy it all
    outcomes = []
    for case in cases:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            sys.stdout.flush()
            child = os.fork()
            if not child:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                _run(web, case)
                return
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            err.seek(0)
            outcomes.append([out.read().decode(), status, err.read().decode()])
    json.dump(outcomes, sys.stdout)


def _run(web: Any, case: dict[str, Any]) -> None:
    """Run a case; whatever it raises ends this process as it would end a program."""
    signal.alarm(_PATIENCE)
    # A shell that starts the tests in the background has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        PROGRAMS[case["program"]](web, case)


if __name__ == "__main__":
    main(sys.argv[1])
