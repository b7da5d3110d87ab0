"""Dimensions of programs that serve, and the differences between aiohttp's and ours."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .differences import Difference
from .pairwise import pairwise
from .running_programs import MISTAKES

__all__ = ["CASES", "KNOWN_DIFFERENCES", "RUNNING_DIFFERENCES", "Outcome", "name_of", "run_all"]

Case = dict[str, Any]

LISTENING: dict[str, list[Any]] = {
    "program": ["listen"],
    "host": [None, "", "127.0.0.1", "::1", "localhost", ["127.0.0.1", "::1"], []],
    "port": [None, 0, 8123],
    "path": [None, "s.sock", "Path", ["b.sock", "a.sock"], []],
    "sock": [None, "tcp", "tcp6", "unix", ["tcp", "unix"], []],
    "ssl": [False, True],
    "print": [True, False],
    "options": [
        {},
        {"backlog": 7},
        {"reuse_address": True, "reuse_port": False},
        {"reuse_address": False, "reuse_port": True},
        {"handle_signals": False},
    ],
}
SITES: dict[str, list[Any]] = {
    "program": ["site"],
    "site": [
        "tcp None/None",
        "tcp /0",
        "tcp 127.0.0.1/0",
        "tcp ::1/8123",
        "tcp localhost/None",
        "unix s.sock",
        "sock tcp",
        "sock tcp6",
        "sock unix",
        "pipe p",
    ],
    "ssl": [False, True],
    "options": [{}, {"backlog": 7}, {"shutdown_timeout": 5}, {"shutdown_timeout": 60.0}],
}
ENDS: dict[str, list[Any]] = {
    "program": ["end"],
    "place": [
        "make",
        "enter",
        "startup",
        "print",
        "task",
        "callback",
        "handler",
        "shutdown",
        "cleanup",
        "leave",
    ],
    "error": [
        "ValueError",
        "CancelledError",
        "GracefulExit",
        "KeyboardInterrupt",
        "SystemExit",
        "SIGINT",
        "SIGTERM",
        "GracefulExit untaken",
        "KeyboardInterrupt untaken",
        "SIGINT untaken",
        "SIGTERM untaken",
    ],
    "app": ["coroutine", "given"],
    "loop": ["none", "given", "debug"],
    "leftover": ["none", "waiting", "failing"],
}
LOGS: dict[str, list[Any]] = {
    "program": ["log"],
    "debug": [True, False],
    "logger": ["default", "other", "none"],
    "level": [0, 30],
    "handlers": [[], ["own"], ["root"], ["own", "root"]],
}
AGAIN: dict[str, list[Any]] = {
    "program": ["again"],
    "thread": [False, True],
    "signals": [None, False],
    "first": ["nothing", "asyncio.run"],
}
MISTAKEN: dict[str, list[Any]] = {
    "program": ["mistake"],
    "mistake": list(MISTAKES),
    "app": ["given", "coroutine"],
    "more": [False, True],
}
TURNS: dict[str, list[Any]] = {
    "program": ["turns"],
    "runner": ["app", "server"],
    "site": ["tcp", "taken", "unix", "sock", "own"],
    "before": [[], ["setup", "make"], ["setup", "make", "start"], ["setup", "make", "cleanup"]],
    "first": ["nothing", "setup", "make", "start", "stop", "shutdown", "cleanup"],
    "then": ["nothing", "setup", "make", "start", "stop", "shutdown", "cleanup"],
}
FLIGHTS: dict[str, list[Any]] = {
    "program": ["flight"],
    "sent": ["nothing", "half a head", "all", "half a body", "idle"],
    "handler": ["released", "never", "stubborn"],
    "ends": ["runner", "site first"],
}
DIMENSIONS = (FLIGHTS, TURNS, LISTENING, SITES, ENDS, LOGS, AGAIN, MISTAKEN)


def _complete(case: Case) -> dict[str, Any]:
    """Let what is to fail be there."""
    return {**case, "app": "coroutine"} if case.get("place") == "make" else case


CASES = [_complete(case) for each in DIMENSIONS for case in pairwise(each)]


def name_of(case: Case) -> str:
    """Name a case after its values."""
    return "/".join(str(value).replace("[", "(").replace("]", ")") for value in case.values())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program printed, how it ended, and what its last error was."""

    steps: tuple[str, ...]
    status: int
    error: str
    complaints: tuple[str, ...] = ()

    @property
    def whole(self) -> tuple[tuple[str, ...], int, str]:
        """What is compared."""
        return self.steps, self.status, self.error

    def __str__(self) -> str:
        lines = [*self.steps, f"-> {self.status} {self.error}", *self.complaints]
        return "\n".join(f"    {line}" for line in lines)


def run_all(cases: list[Case]) -> list[tuple[Outcome, Outcome]]:
    """Run cases on aiohttp.web and on bascule.web side by side, each in a process of its own.

    Returns:
        aiohttp's outcome and ours, of each case.
    """
    # Files, since a pipe that is read later could fill up.
    with ExitStack() as stack:
        started = []
        for implementation in ("aiohttp.web", "bascule.web"):
            out = stack.enter_context(tempfile.TemporaryFile())
            arguments = ["-W", "default", "-m", "differential.running_programs", implementation]
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    cwd=Path(__file__).parents[1],
                    stdin=subprocess.PIPE,
                    stdout=out,
                )
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(cases).encode())
            process.stdin.close()
            started.append((process, out))
        return list(zip(*(_read_outcomes(cases, *each) for each in started), strict=True))


def _read_outcomes(cases: list[Case], process: Any, out: Any) -> list[Outcome]:
    assert process.wait() == 0
    out.seek(0)
    return [_read_outcome(case, *each) for case, each in zip(cases, json.load(out), strict=True)]


_ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exit|Interrupt|gaierror)(?:: .*)?)$", re.M)
_COMPLAINT = re.compile(r"^.*?((?:\w+Warning: |was never|destroyed|ignored in).*)$", re.M)


def _read_outcome(case: Case, out: str, status: int, err: str) -> Outcome:
    """Mask ports and addresses of objects; set apart what comes in no certain order."""
    steps = re.sub(r"(?<=[:\s])(?!8080|8123|8443|50000)\d{4,5}(?=\D)", "PORT", out)
    steps = re.sub(r"<[^ ]*?(\w+) object at 0x[0-9a-f]+>", r"<\1>", steps)
    steps = re.sub(r"0x[0-9a-f]+", "0x", steps)
    # Names are sorted by ports, of which some are the system's choice.
    steps = re.sub(r"(?<=Running on )\S.*(?= =====)", _sort_names, steps)
    errors = _ERROR.findall(err)
    error = errors[-1] if errors else ""
    if case["program"] == "mistake":  # the texts are our own
        error = error.partition(":")[0]
    # The client of the same loop reads the answer sooner or later.
    answers = [line for line in steps.splitlines() if line.startswith("answer:")]
    lines = [line for line in steps.splitlines() if not line.startswith("answer:")]
    return Outcome((*lines, *answers), status, error, tuple(_COMPLAINT.findall(err)))


def _sort_names(names: re.Match[str]) -> str:
    return ", ".join(sorted(names[0].split(", ")))


# -- the differences that are meant


_KILLED = -signal.SIGTERM


def _insert(theirs: Outcome, after: str, *steps: str) -> Outcome:
    """Put steps behind another one."""
    place = theirs.steps.index(after) + 1
    return replace(theirs, steps=(*theirs.steps[:place], *steps, *theirs.steps[place:]))


def _find_context(theirs: Outcome) -> str:
    return next(step for step in theirs.steps if step.startswith("context:"))


def _leave_after_failed_start(theirs: Outcome, case: Case) -> Outcome:
    done = "leave" in theirs.steps or theirs.status == _KILLED
    return theirs if done else _insert(theirs, "startup", "leave")


def _go_on(theirs: Outcome, case: Case) -> Outcome:
    """Take the rest of the clean-up behind the step that failed."""
    if "cleanup" in theirs.steps or theirs.status == _KILLED:
        return theirs
    if "leave" not in theirs.steps:
        theirs = _insert(theirs, "shutdown", "leave")
    return _insert(theirs, "leave", _find_context(theirs), "cleanup")


_EXITS = ("GracefulExit", "KeyboardInterrupt", "SIGINT untaken")


def _is_exit(case: Case) -> bool:
    return any(case["error"].startswith(name) for name in _EXITS)


def _end_quietly(theirs: Outcome, case: Case) -> Outcome:
    if not _is_exit(case) or (theirs.status == 0 and not theirs.error):
        return theirs
    return replace(theirs, steps=(*theirs.steps, "quiet end"), status=0, error="")


def _answer_500(theirs: Outcome, case: Case) -> Outcome:
    if not _is_exit(case) and case["error"] != "SystemExit":
        return theirs
    steps = [step for step in theirs.steps if "never retrieved" not in step]
    return replace(theirs, steps=(*steps, "answer: HTTP/1.1 500 Internal Server Error"))


def _take_signals_early(theirs: Outcome, case: Case) -> Outcome:
    """End as by a signal that comes while the application starts."""
    context = "context: set while it was made, at start-up"
    began = ["make", "enter", context, "startup", context, "shutdown", "leave", context, "cleanup"]
    left = {"none": [], "waiting": ["left-over task is cancelled"]}[case["leftover"]]
    loop = [] if case["loop"] == "none" else ["loop closed: True"]
    given = f"there is a loop, closed: True the one given: {case['loop'] != 'none'}"
    signals = "<built-in function default_int_handler> 0"
    return Outcome((*began, *left, *loop, given, signals, "quiet end"), 0, "")


def _run_in_a_thread(theirs: Outcome, case: Case) -> Outcome:
    if not any("set_wakeup_fd" in step for step in theirs.steps):
        return theirs
    return replace(theirs, steps=("running 1", "cleanup 1", "running 2", "cleanup 2"))


_REFUSALS = {
    "port of None too high": "OverflowError",
    "port a float": "TypeError",
    "sock a number": "TypeError",
    "ssl a path": "TypeError",
}


def _refuse(theirs: Outcome, case: Case) -> Outcome:
    steps = [step for step in theirs.steps if step != "it runs"]
    return replace(theirs, steps=tuple(steps), status=1, error=_REFUSALS[case["mistake"]])


def _refuse_log_class_first(theirs: Outcome, case: Case) -> Outcome:
    return replace(theirs, steps=tuple(step for step in theirs.steps if step != "enter"))


def _tell_of_windows(theirs: Outcome, case: Case) -> Outcome:
    return replace(
        theirs, error="RuntimeError: Named Pipes only available in proactor loop under windows"
    )


def _send_last_answer(theirs: Outcome, case: Case) -> Outcome:
    if case["handler"] != "stubborn" or "handler is cancelled" not in theirs.steps:
        return theirs
    return replace(theirs, steps=(*theirs.steps[:-1], "received: b'HTTP/1.1 200 OK'"))


def _read_on(theirs: Outcome, case: Case) -> Outcome:
    if case["handler"] != "released":
        return theirs
    steps = [step for step in theirs.steps[:-1] if step != "handler is cancelled"]
    return replace(theirs, steps=(*steps, "received: b'HTTP/1.1 200 OK'"))


def _edit(pattern: str, new: str | Callable[[re.Match[str]], str]) -> Any:
    """Make a rewrite that replaces in all lines at once."""

    def rewrite(theirs: Outcome, case: Case) -> Outcome:
        text = re.sub(pattern, new, "\n".join(theirs.steps) + "\n", flags=re.M)
        return replace(theirs, steps=tuple(text.splitlines()))

    return rewrite


def _remove_socket(theirs: Outcome, case: Case) -> Outcome:
    edit = _edit(r"^(\d [01] \w+) True$", lambda m: f"{m[1]} {m[1][2] == '1'}")
    return edit(_edit("^socket left: True$", "socket left: False")(theirs, case), case)


def _refuse_second_setup(theirs: Outcome, case: Case) -> Outcome:
    runner = {"app": "AppRunner", "server": "ServerRunner"}[case["runner"]]
    told = f"RuntimeError: Runner <{runner}> is already set up; clean it up before a new start"
    edit = _edit(r"(^\d \d True \w+\n)(?:on_startup\n)?setup -> $", rf"\1setup -> {told}")
    return edit(edit(theirs, case), case)  # twice, since a second match may begin in the first


def _forget_site(theirs: Outcome, case: Case) -> Outcome:
    """A site whose start has failed is as if it had not been started."""
    failures = [step for step in theirs.steps if step.startswith("start -> OSError")]
    if not failures:
        return theirs
    theirs = _edit(r"^start -> RuntimeError: .* already registered .*$", failures[0])(theirs, case)
    return _edit(r"^1 0 ", "0 0 ")(theirs, case)


def _name_the_missing_setup(theirs: Outcome, case: Case) -> Outcome:
    told = "start -> RuntimeError: Call runner.setup() before starting a site"
    steps = "\n".join(theirs.steps)
    if "start -> AssertionError" not in steps:
        return theirs
    theirs = _edit(r"^start -> (?:AssertionError.*|.* already registered .*)$", told)(theirs, case)
    return _edit(r"^1 0 False", "0 0 False")(theirs, case)


# Those that the differential tests of lives list and show already.
KNOWN_DIFFERENCES: list[Difference] = [
    Difference(
        name="an error in on_shutdown does not keep clean-up from running",
        reason="See the lives.",
        cases=("end/shutdown/*",),
        rewrite=_go_on,
    ),
    Difference(
        name="clean-up goes on behind an error",
        reason="See the lives.",
        cases=("end/leave/*",),
        rewrite=_go_on,
    ),
    Difference(
        name="a second clean-up of a runner does nothing",
        reason="See the lives.",
        cases=("turns/app/*",),
        rewrite=_edit(r"(^\d \d False \w+\n)on_cleanup\n", r"\1"),
    ),
]
RUNNING_DIFFERENCES: list[Difference] = [
    Difference(
        name="`run_app` cleans up after a start that failed",
        reason="What was entered is left, as by a runner's clean-up; aiohttp leaves it open.",
        cases=("end/startup/*",),
        rewrite=_leave_after_failed_start,
    ),
    Difference(
        name="GracefulExit and KeyboardInterrupt end `run_app` quietly wherever they are raised",
        reason="The exit status is 0, as for a signal; from handlers, on_shutdown and clean-up "
        "aiohttp lets them out.",
        cases=("end/handler/*", "end/shutdown/*", "end/cleanup/*", "end/leave/*"),
        rewrite=_end_quietly,
    ),
    Difference(
        name="the client of a handler that ends the program gets a 500",
        reason="aiohttp sends nothing, and leaves an exception that was never retrieved.",
        cases=("end/handler/*",),
        rewrite=_answer_500,
    ),
    Difference(
        name="signals are graceful while a coroutine still makes the application",
        reason="SIGTERM would kill the process there.",
        cases=("end/make/SIGINT/*", "end/make/SIGTERM/*"),
        rewrite=_take_signals_early,
    ),
    Difference(
        name="`run_app` works in threads other than the main one",
        reason="Signals cannot be handled there, and are not; aiohttp asks for "
        "handle_signals=False.",
        cases=("again/*",),
        rewrite=_run_in_a_thread,
    ),
    Difference(
        name="ports out of range, and what is no socket or TLS context, are refused",
        reason="With what was found and expected; aiohttp listens at another port, or serves TLS "
        "that no client can speak.",
        cases=tuple(f"mistake/{name}/*" for name in _REFUSALS),
        rewrite=_refuse,
    ),
    Difference(
        name="an `access_log_class` that is none is refused before the application starts",
        reason="Nothing is to be undone then.",
        cases=("mistake/log class/*",),
        rewrite=_refuse_log_class_first,
    ),
    Difference(
        name="`NamedPipeSite` says on other systems that it is for Windows",
        reason="aiohttp fails with an AttributeError.",
        cases=("site/pipe p/*",),
        rewrite=_tell_of_windows,
    ),
    Difference(
        name="a Unix socket is removed when its site stops",
        reason="Unless another server has put its own there; aiohttp leaves a dead file.",
        cases=("turns/*/unix/*", "mistake/*/True"),
        rewrite=_remove_socket,
    ),
    Difference(
        name="uploads in progress are read to their end while a server stops",
        reason="aiohttp reads no more, and cancels the handler when its time is over.",
        cases=("flight/half a body/*",),
        rewrite=_read_on,
    ),
    Difference(
        name="a handler that outlives its cancellation at the end may still answer",
        reason="It has a second for that; aiohttp drops the connection if the request was "
        "complete.",
        cases=("flight/all/*",),
        rewrite=_send_last_answer,
    ),
    Difference(
        name="a runner is set up once, until it is cleaned up",
        reason="A second set-up would start the application twice; aiohttp does.",
        cases=("turns/*",),
        rewrite=_refuse_second_setup,
    ),
    Difference(
        name="a site that failed to start may be started again",
        reason="It listens nowhere, so it is not registered.",
        cases=("turns/*/taken/*",),
        rewrite=_forget_site,
    ),
    Difference(
        name="starting a site after clean-up tells what is missing",
        reason="aiohttp fails an assertion without a text.",
        cases=("turns/*",),
        rewrite=_name_the_missing_setup,
    ),
]
