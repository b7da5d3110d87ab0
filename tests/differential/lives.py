"""Applications whose start or end fails somewhere, and what happens from set-up to clean-up."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .differences import Difference

__all__ = [
    "CULPRITS",
    "ERRORS",
    "LIFE_DIFFERENCES",
    "PLACES",
    "SHAPES",
    "Life",
    "Log",
    "Story",
    "live",
]

# Where the applications inside are added: before (<) or behind (>) the main one's own receivers;
# "last" is inside "inner" where it is written so.
SHAPES = {
    "alone": "main",
    "inner-before": "<inner main",
    "inner-behind": "main >inner",
    "two": "<inner main >last",
    "nested": "<inner[last] main",
}
CULPRITS = ("main", "inner", "last", "all")
ERRORS: dict[str, type[BaseException]] = {
    "error": ValueError,
    "cancelled": asyncio.CancelledError,
    "interrupt": KeyboardInterrupt,
    "exit": SystemExit,
}
# The steps that fail, or the kind of contexts that an application has instead of the usual.
PLACES: dict[str, tuple[str, ...]] = {
    "nowhere": (),
    "enter-1": ("enter-1",),
    "enter-2": ("enter-2",),
    "startup-1": ("startup-1",),
    "startup-2": ("startup-2",),
    "shutdown-1": ("shutdown-1",),
    "shutdown-2": ("shutdown-2",),
    "exit-1": ("exit-1",),
    "exit-2": ("exit-2",),
    "both-exits": ("exit-1", "exit-2"),
    "cleanup-1": ("cleanup-1",),
    "cleanup-2": ("cleanup-2",),
    "both-cleanups": ("cleanup-1", "cleanup-2"),
    "exit-and-cleanup": ("exit-2", "cleanup-1"),
    "shutdown-and-cleanup": ("shutdown-1", "cleanup-1"),
    "shutdown-and-exit": ("shutdown-2", "exit-1"),
    "startup-and-exit": ("startup-1", "exit-2"),
    "enter-and-exit": ("enter-2", "exit-1"),
    "yields-twice": ("twice-2",),
    "yields-twice-and-cleanup": ("twice-1", "cleanup-2"),
    "yields-never": ("never-2",),
    "managers": ("manager-1", "manager-2"),
    "manager-enter": ("manager-1", "manager-2", "enter-2"),
    "manager-exits": ("manager-1", "manager-2", "exit-1", "exit-2"),
    "manager-object": ("object-1",),
    "manager-object-exit": ("object-1", "exit-1"),
    "coroutine-function": ("coroutine-2",),
    "plain-function": ("plain-2",),
    "generator-returned": ("returned-1",),
    "generator-returned-exit": ("returned-2", "exit-2"),
    "generator-method": ("method-1", "method-2"),
    "generator-instance": ("instance-1",),
    "generator-partial": ("partial-1",),
}
_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Log:
    """What happened, turn by turn: each a list of steps, and what was raised at its end."""

    setup: tuple[str, ...]
    setup_error: Any
    cleanup: tuple[str, ...]
    cleanup_error: Any
    second_cleanup: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"    setup    {' '.join(self.setup)} -> {self.setup_error}\n"
            f"    clean-up {' '.join(self.cleanup)} -> {self.cleanup_error}\n"
            f"    again    {' '.join(self.second_cleanup)}"
        )


@dataclass(frozen=True, slots=True)
class Life:
    """One life: what it is made of, and what fails in whom with what."""

    shape: str
    culprit: str
    place: str
    error: str

    @property
    def name(self) -> str:
        """The name of its case."""
        return f"life/{self.shape}/{self.culprit}/{self.place}/{self.error}"

    @property
    def flawless(self) -> "Life":
        """The same, but that nothing fails."""
        return replace(self, place="nowhere")

    @property
    def labels(self) -> list[str]:
        """The applications that there are."""
        return [label for label in ("main", "inner", "last") if label in SHAPES[self.shape]]

    @property
    def culprits(self) -> list[str]:
        """The applications in which it fails; the last one where the one named is not there."""
        if self.culprit == "all":
            return self.labels
        return [self.culprit if self.culprit in self.labels else self.labels[-1]]

    def fails(self, step: str) -> bool:
        """Say whether a step, as written in a log, is one that raises."""
        label, _, what = step.partition(".")
        return label in self.culprits and what in PLACES[self.place]


async def live(web: Any, life: Life) -> Log:
    """Set an application up and clean it up, as its owner does whatever happens."""
    steps: list[str] = []
    runner = web.AppRunner(_build(web, life, steps), access_log=None)
    setup_error = await _take(runner.setup)
    setup = tuple(steps)
    steps.clear()
    cleanup_error = await _take(runner.cleanup)
    cleanup = tuple(steps)
    steps.clear()
    again = await _take(runner.cleanup)
    if again is not None:
        steps.append(f"-> {again}")
    return Log(setup, setup_error, cleanup, cleanup_error, tuple(steps))


async def _take(turn: Callable[[], Awaitable[None]]) -> Any:
    try:
        await turn()
    except BaseException as exc:  # interrupts too: the test itself is not to end
        return tell(exc)
    return None


def tell(exc: BaseException) -> Any:
    """Tell of an error, and of those in it."""
    text = _ADDRESS.sub("0x", str(exc)) if not hasattr(exc, "exceptions") else exc.args[0]
    inside = [tell(each) for each in getattr(exc, "exceptions", [])]
    return (type(exc).__name__, text, *inside)


def _build(web: Any, life: Life, steps: list[str]) -> Any:
    make = partial(_make_app, web, life, steps)
    if life.shape == "nested":
        return make("main", before=[make("inner", before=[make("last")])])
    before = [make("inner")] if life.shape in ("inner-before", "two") else []
    behind = {"inner-behind": ["inner"], "two": ["last"]}.get(life.shape, [])
    return make("main", before=before, behind=[make(label) for label in behind])


def _make_app(
    web: Any, life: Life, steps: list[str], label: str, before: Any = (), behind: Any = ()
) -> Any:
    app = web.Application()
    step = partial(_step, life, steps, label)

    def receiver(what: str) -> Any:
        async def receive(app: Any) -> None:
            step(what)

        return receive

    for n, inner in enumerate(before):
        app.add_subapp(f"/before-{n}", inner)
    for number in (1, 2):
        app.cleanup_ctx.append(_make_context(life, label, number, step))
        app.on_startup.append(receiver(f"startup-{number}"))
        app.on_shutdown.append(receiver(f"shutdown-{number}"))
        app.on_cleanup.append(receiver(f"cleanup-{number}"))
    for n, inner in enumerate(behind):
        app.add_subapp(f"/behind-{n}", inner)
    return app


def _step(life: Life, steps: list[str], label: str, what: str) -> None:
    steps.append(f"{label}.{what}")
    if life.fails(steps[-1]):
        raise ERRORS[life.error](f"in {steps[-1]}")


def _make_context(life: Life, label: str, number: int, step: Callable[[str], None]) -> Any:
    """Make a function for `cleanup_ctx`, of the kind that the place asks for."""

    async def usual(app: Any) -> Any:
        step(f"enter-{number}")
        yield
        step(f"exit-{number}")

    async def twice(app: Any) -> Any:
        step(f"enter-{number}")
        yield
        step(f"exit-{number}")
        yield
        step("behind the second yield")

    async def never(app: Any) -> Any:
        step(f"enter-{number}")
        if number == 0:
            yield

    class Maker:
        async def method(self, app: Any) -> Any:
            step(f"enter-{number}")
            yield
            step(f"exit-{number}")

        __call__ = method

    class Object:
        def __init__(self, app: Any) -> None:
            pass

        async def __aenter__(self) -> None:
            step(f"enter-{number}")

        async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
            step(f"exit-{number}")
            return True

    async def coroutine(app: Any) -> None:
        step(f"enter-{number}")

    def plain(app: Any) -> None:
        step(f"enter-{number}")

    kinds = {
        "twice": twice,
        "never": never,
        "manager": asynccontextmanager(usual),
        "object": Object,
        "coroutine": coroutine,
        "plain": plain,
        "returned": lambda app: usual(app),
        "method": Maker().method,
        "instance": Maker(),
        "partial": partial(usual),
    }
    wanted = PLACES[life.place] if label in life.culprits else ()
    return next((kinds[kind] for kind in kinds if f"{kind}-{number}" in wanted), usual)


# -- the differences that are meant


@dataclass(frozen=True, slots=True)
class Story:
    """A life, and what happens on aiohttp when nothing in it fails: the order of all steps."""

    life: Life
    flawless: Log


def _end_with(theirs: Log, story: Story, steps: Iterable[str]) -> Log:
    """Let clean-up take these steps, and raise what fails in them."""
    steps = tuple(steps)
    errors = [error for step in steps if (error := _error_of(story.life, step))]
    ending = [error for error in errors if error[0] in ("KeyboardInterrupt", "SystemExit")]
    if not errors or len(errors) == 1 or ending:
        raised = (ending or errors or [None])[0]
    else:
        raised = ("CleanupError", "Multiple errors on cleanup stage", *errors)
    return replace(theirs, cleanup=steps, cleanup_error=raised)


def _error_of(life: Life, step: str) -> tuple[str, str] | None:
    label, _, what = step.partition(".")
    if life.fails(step):
        return ERRORS[life.error].__name__, f"in {step}"
    if label in life.culprits and what.replace("exit", "twice") in PLACES[life.place]:
        return "RuntimeError", "generator didn't stop"
    return None


def _leave_all_contexts_of_one(theirs: Log, story: Story) -> Log:
    """Behind the last step, an exit that failed, leave what else its application has entered."""
    label = theirs.cleanup[-1].partition(".")[0] if theirs.cleanup else ""
    exits = [step for step in _list_exits(theirs, story) if step.startswith(f"{label}.")]
    if not theirs.cleanup or theirs.cleanup[-1] not in exits or theirs.cleanup_error is None:
        return theirs
    done = theirs.cleanup
    return _end_with(theirs, story, (*done, *(step for step in exits if step not in done)))


def _leave_contexts_inside(theirs: Log, story: Story) -> Log:
    if theirs.setup_error is None:
        return theirs
    return _end_with(theirs, story, _list_exits(theirs, story))


def _list_exits(theirs: Log, story: Story) -> list[str]:
    """Give the exits of the contexts that were entered, in the order of a flawless end."""
    entered = [step for step in theirs.setup if not _is_in_vain(story.life, step)]
    return [
        step
        for step in story.flawless.cleanup
        if ".exit-" in step and step.replace("exit", "enter") in entered
    ]


def _is_in_vain(life: Life, step: str) -> bool:
    """Say whether a step, if it enters a context, does not get there."""
    label, _, what = step.partition(".")
    kinds = {what.replace("enter", "never"), what.replace("enter", "plain")}
    return life.fails(step) or (label in life.culprits and not kinds.isdisjoint(PLACES[life.place]))


def _go_on(theirs: Log, story: Story) -> Log:
    done = theirs.cleanup
    if (
        theirs.setup_error
        or not theirs.cleanup_error
        or story.flawless.cleanup[: len(done)] != done
    ):
        return theirs
    if ".shutdown-" in done[-1]:
        return theirs
    return _end_with(theirs, story, story.flawless.cleanup)


def _clean_up_behind_shutdown(theirs: Log, story: Story) -> Log:
    done = theirs.cleanup
    if not done or ".shutdown-" not in done[-1]:
        return theirs
    ends = _end_with(theirs, story, (s for s in story.flawless.cleanup if ".shutdown-" not in s))
    # The error of on_shutdown stays behind that of clean-up, as its context.
    error = ends.cleanup_error or theirs.cleanup_error
    return replace(ends, cleanup=(*done, *ends.cleanup), cleanup_error=error)


def _name_what_is_no_context(theirs: Log, story: Story) -> Log:
    """Tell of the function, which was called once."""
    kind = story.life.place.partition("-")[0]
    who = f"<function _make_context.<locals>.{kind} at 0x>"
    text = f"{who} gave neither an async generator nor a context manager"
    setup = theirs.setup[:-1] if theirs.setup[-2:-1] == theirs.setup[-1:] else theirs.setup
    return replace(theirs, setup=setup, setup_error=("TypeError", text))


LIFE_DIFFERENCES: list[Difference] = [
    Difference(
        name="what is no cleanup context is named in the error",
        reason="The function tells where the mistake is, and is called once; aiohttp tells the "
        "type of what it gave.",
        cases=("life/*/coroutine-function/*", "life/*/plain-function/*"),
        rewrite=_name_what_is_no_context,
    ),
    Difference(
        name="an interrupt while a context is left does not keep the others from being left",
        reason="What ends the program must not lose what the contexts keep.",
        cases=("life/*/interrupt", "life/*/exit"),
        rewrite=_leave_all_contexts_of_one,
    ),
    Difference(
        name="after a failed start the contexts of inner applications are left too",
        reason="They were entered; aiohttp leaves those of the outermost application only.",
        cases=(
            "life/*/enter-*",
            "life/*/startup-*",
            "life/*/manager-enter/*",
            "life/*/yields-never/*",
            "life/*/coroutine-function/*",
            "life/*/plain-function/*",
        ),
        rewrite=_leave_contexts_inside,
    ),
    Difference(
        name="clean-up goes on behind an error",
        reason="Each context, receiver and inner application has its turn, then the error is "
        "raised, or all of them in a CleanupError.",
        cases=tuple(f"life/*/{place}/*" for place in ("*exit*", "*cleanup*", "yields-twice*")),
        rewrite=_go_on,
    ),
    Difference(
        name="an error in on_shutdown does not keep clean-up from running",
        reason="The contexts and receivers of clean-up have nothing to do with it.",
        cases=("life/*/shutdown-*",),
        rewrite=_clean_up_behind_shutdown,
    ),
    Difference(
        name="a second clean-up of a runner does nothing",
        reason="What was cleaned up is gone; aiohttp calls the receivers of on_cleanup again.",
        cases=("life/*",),
        rewrite=lambda theirs, story: replace(theirs, second_cleanup=()),
    ),
]
