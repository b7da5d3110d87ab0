"""Applications inside applications, made of parts, with a record of who was called and saw what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .requesting import request as make_request

__all__ = ["MIDDLEWARES", "NESTINGS", "OUTCOMES", "READINGS", "SIGNALS", "Nest"]

# How each application is reached from the one outside it: below a prefix, or by a domain.
NESTINGS = {
    "flat": (),
    "prefix": ("/in",),
    "domain": ("a.in.test",),
    "prefix-prefix": ("/in", "/deep/er"),
    "domain-prefix": ("*.in.test", "/deep"),
    "domain-domain": ("*.in.test", "a.in.test"),
}
# Who looks at the applications of the request; one who sets the current one, too.
READINGS = ("handler", "middleware-before", "middleware-behind", "signal", "all", "setter")
_ALIVE = "/__alive"  # the sentinel of the frame, of which nothing is noted


@dataclass(slots=True)
class Nest:
    """One application with those inside it, by the names of its parts.

    Attributes:
        records: what happened, by the name of the `web` module it was built with last.
    """

    nesting: str
    middlewares: str
    signals: str
    outcome: str
    reading: str
    records: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its case."""
        parts = (self.nesting, self.middlewares, self.signals, self.outcome, self.reading)
        return f"nest/{'/'.join(parts)}"

    @property
    def data(self) -> bytes:
        """The request for it."""
        path = "".join(place for place in NESTINGS[self.nesting] if place.startswith("/"))
        method = "POST" if self.outcome == "not-allowed" else "GET"
        target = f"{path}/{'missing' if self.outcome == 'missing' else 'hit/7'}"
        return make_request(method, target, {"Host": "a.in.test"})

    def build(self, web: Any) -> Any:
        """Make the outermost application and those inside it."""
        self.records[web.__name__] = []
        return _Builder(self, web).build()


class _Builder:
    """Makes the applications of one nest, and keeps its record."""

    def __init__(self, nest: Nest, web: Any) -> None:
        self.nest = nest
        self.web = web
        self.record = nest.records[web.__name__]
        self.made: list[tuple[str, str]] = []  # by factories of the old style
        self.places = NESTINGS[nest.nesting]
        self.last = len(self.places)
        self.label = web.AppKey("label", str)
        self.shared = web.AppKey("shared", str)
        self.own = [web.AppKey(f"own-{depth}", str) for depth in range(3)]

    def build(self) -> Any:
        """Make the applications, the innermost first."""
        inner = None
        for depth in range(self.last, -1, -1):
            app = self._make_app(depth)
            if inner is not None:
                place = self.places[depth]
                (app.add_subapp if place.startswith("/") else app.add_domain)(place, inner)
            inner = app
        return inner

    def _make_app(self, depth: int) -> Any:
        app = self.web.Application(middlewares=MIDDLEWARES[self.nest.middlewares](self, depth))
        app[self.label] = f"app-{depth}"
        app[self.shared] = f"of {depth}"
        app[self.own[depth]] = f"{depth}'s"
        app.on_response_prepare.extend(SIGNALS[self.nest.signals](self, depth))
        # The same route in every application: the innermost must answer.
        app.router.add_get("/hit/{number}", self._make_handler(depth))
        return app

    def _make_handler(self, depth: int) -> Any:
        async def handler(request: Any) -> Any:
            self.note(f"handler-{depth}", "handler", request, sorted(self.made))
            return await OUTCOMES[self.nest.outcome](self.web, request)

        handler.mark = depth  # type: ignore[attr-defined]  # what decorators leave on handlers
        return handler

    def note(self, who: str, point: str, request: Any, *more: Any) -> None:
        """Put a line into the record, with what `who` sees when it is the one to look."""
        if self.nest.reading in (point, "all"):
            more = (*more, self.look(request))
        self.record.append([who, *more])

    def look(self, request: Any) -> dict[str, Any]:
        """Tell all that a request says of the applications on its way."""
        info, config = request.match_info, request.config_dict
        mapped = {self.label: "label", self.shared: "shared"} | dict.fromkeys(self.own, "own")
        return {
            "app": request.app[self.label],
            "current": info.current_app[self.label],
            "apps": [app[self.label] for app in info.apps],
            "label": config[self.label],
            "shared": config.get(self.shared),
            "own": [config.get(key, "-") for key in self.own],
            "order": [mapped[key] for key in config],
            "size": (len(config), bool(config), self.own[0] in config, self.own[2] in config),
            "info": (type(info).__name__, dict(info), str(info.http_exception)),
        }


# -- middlewares: what an application at a depth gets

_Part = Callable[[_Builder, int], list[Any]]
MIDDLEWARES: dict[str, _Part] = {"none": lambda builder, depth: []}


def _passing(builder: _Builder, depth: int, number: int = 1) -> Any:
    """Make a middleware that notes what goes by."""
    who = f"middleware-{depth}.{number}"

    @builder.web.middleware
    async def middleware(request: Any, handler: Any) -> Any:
        if request.path == _ALIVE:
            return await handler(request)
        # aiohttp's handler is the bare result of the factory there.
        mark = "old" in builder.nest.middlewares or getattr(handler, "mark", None)
        builder.note(f"{who} in", "middleware-before", request, mark)
        if builder.nest.reading == "setter":
            request.match_info.current_app = request.match_info.apps[-1]
        try:
            response = await handler(request)
        except Exception as exc:
            builder.note(f"{who} saw", "middleware-behind", request, repr(exc))
            raise
        builder.note(f"{who} out", "middleware-behind", request, type(response).__name__)
        return response

    return middleware


MIDDLEWARES["one"] = lambda builder, depth: [_passing(builder, depth)]
MIDDLEWARES["two"] = lambda builder, depth: [_passing(builder, depth, n) for n in (1, 2)]


def _special(name: str, *, at: Callable[[_Builder, int], bool]) -> Callable[[Any], Any]:
    """Register a middleware function of builder, depth, request and handler.

    An application for which `at` holds gets it between two that only pass on, others one of those.
    """

    def register(function: Any) -> Any:
        def part(builder: _Builder, depth: int) -> list[Any]:
            @builder.web.middleware
            async def middleware(request: Any, handler: Any) -> Any:
                if request.path == _ALIVE:
                    return await handler(request)
                return await function(builder, depth, request, handler)

            first, last = (_passing(builder, depth, number) for number in (1, 2))
            return [first, middleware, last] if at(builder, depth) else [first]

        MIDDLEWARES[name] = part
        return function

    return register


def _outermost(builder: _Builder, depth: int) -> bool:
    return depth == 0


def _innermost(builder: _Builder, depth: int) -> bool:
    return depth == builder.last


def _everywhere(builder: _Builder, depth: int) -> bool:
    return True


@_special("shortcut-outer", at=_outermost)
@_special("shortcut-inner", at=_innermost)
async def _shortcut(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    return builder.web.Response(text=f"shortcut at {depth}", headers={"X-Shortcut": str(depth)})


@_special("catch-outer", at=_outermost)
@_special("catch-inner", at=_innermost)
async def _catch(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    try:
        return await handler(request)
    except builder.web.HTTPException as exc:
        return builder.web.Response(status=exc.status, text=f"caught at {depth}: {exc.reason}")


@_special("catch-all-outer", at=_outermost)
async def _catch_all(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    try:
        return await handler(request)
    except Exception as exc:
        return builder.web.Response(text=f"caught {exc!r}")


@_special("raise-outer", at=_outermost)
@_special("raise-inner", at=_innermost)
async def _raise(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    raise LookupError(f"at {depth}")


@_special("raise-http-inner", at=_innermost)
async def _raise_http(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    raise builder.web.HTTPForbidden(text=f"forbidden at {depth}")


@_special("raise-behind-inner", at=_innermost)
async def _raise_behind(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    await handler(request)
    raise builder.web.HTTPGone


@_special("edit", at=_everywhere)
async def _edit(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    response = await handler(request)
    response.headers.add("X-Edited", str(depth))
    response.set_cookie(f"edited-{depth}", "yes")
    return response


@_special("twice-inner", at=_innermost)
async def _twice(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    await handler(request)
    return await handler(request)


@_special("other-request-outer", at=_outermost)
async def _other_request(builder: _Builder, depth: int, request: Any, handler: Any) -> Any:
    clone = request.clone(headers={"X-Cloned": "yes"})
    builder.record.append(["cloned", builder.look(clone)])
    return await handler(request)


def _old_style(builder: _Builder, depth: int) -> Any:
    async def factory(app: Any, handler: Any) -> Any:
        async def middleware(request: Any) -> Any:
            if request.path == _ALIVE:
                return await handler(request)
            builder.note(f"old-style-{depth} in", "middleware-before", request)
            response = await handler(request)
            builder.note(f"old-style-{depth} out", "middleware-behind", request)
            return response

        builder.made.append((f"factory-{depth}", app[builder.label]))
        return middleware

    return factory


MIDDLEWARES["old-style"] = lambda builder, depth: [_old_style(builder, depth)]
MIDDLEWARES["old-style-among-new"] = lambda builder, depth: [
    _passing(builder, depth, 1),
    _old_style(builder, depth),
    _passing(builder, depth, 2),
]


def _of_instances(builder: _Builder, depth: int) -> list[Any]:
    passing = _passing(builder, depth)

    class Guard:
        async def __call__(self, request: Any, handler: Any) -> Any:
            return await passing(request, handler)

        @builder.web.middleware
        async def method(self, request: Any, handler: Any) -> Any:
            return await passing(request, handler)

    return [builder.web.middleware(Guard()), Guard().method]


MIDDLEWARES["instances"] = _of_instances


# -- receivers of on_response_prepare

SIGNALS: dict[str, _Part] = {"none": lambda builder, depth: []}


def _receiver(builder: _Builder, depth: int, act: Callable[[Any], None] = lambda r: None) -> Any:
    """Make a receiver that notes whom it is called for, then does something to the response."""

    async def receive(request: Any, response: Any) -> None:
        if request.path == _ALIVE:
            return
        told = response.status, response.prepared, list(response.headers)
        builder.note(f"signal-{depth}", "signal", request, told)
        act(response)

    return receive


def _signal(name: str, act: Callable[[_Builder, int, Any], None], *, at: Any) -> None:
    def part(builder: _Builder, depth: int) -> list[Any]:
        receiver = _receiver(builder, depth, lambda response: act(builder, depth, response))
        return [receiver] if at(builder, depth) else []

    SIGNALS[name] = part


def _fail(builder: _Builder, depth: int, response: Any) -> None:
    raise LookupError(f"signal at {depth}")


def _fail_once(builder: _Builder, depth: int, response: Any) -> None:
    if response.status != 500:
        raise LookupError(f"signal at {depth}")


def _forbid(builder: _Builder, depth: int, response: Any) -> None:
    raise builder.web.HTTPForbidden(text=f"signal at {depth}")


def _set_fields(builder: _Builder, depth: int, response: Any) -> None:
    response.headers["X-Last"] = str(depth)
    response.headers.add("X-All", str(depth))
    response.set_cookie("signal", str(depth))


SIGNALS["outer"] = lambda builder, depth: [_receiver(builder, depth)] * (depth == 0)
SIGNALS["inner"] = lambda builder, depth: [_receiver(builder, depth)] * (depth == builder.last)
SIGNALS["both"] = lambda builder, depth: [_receiver(builder, depth)]
SIGNALS["both-twice"] = lambda builder, depth: [_receiver(builder, depth) for _ in range(2)]
_signal("set-fields", _set_fields, at=_everywhere)
_signal("raise-outer", _fail, at=_outermost)
_signal("raise-inner", _fail, at=_innermost)
_signal("raise-once", _fail_once, at=_everywhere)
_signal("raise-http", _forbid, at=_everywhere)


# -- outcomes: what a handler does with a `web` module and a request

Outcome = Callable[[Any, Any], Any]
OUTCOMES: dict[str, Outcome] = {}


def _outcome(function: Any) -> Any:
    OUTCOMES[function.__name__.strip("_").replace("_", "-")] = function
    return function


@_outcome
async def _returned(web: Any, request: Any) -> Any:
    return web.Response(text=f"number {request.match_info['number']}")


@_outcome
async def _found(web: Any, request: Any) -> Any:
    raise web.HTTPFound("/elsewhere")


@_outcome
async def _value_error(web: Any, request: Any) -> Any:
    raise ValueError("in the handler")


@_outcome
async def _missing(web: Any, request: Any) -> Any:
    raise AssertionError("never called")


@_outcome
async def _not_allowed(web: Any, request: Any) -> Any:
    raise AssertionError("never called")


@_outcome
async def _exception_returned(web: Any, request: Any) -> Any:
    return web.HTTPConflict(text="returned")


@_outcome
async def _none(web: Any, request: Any) -> Any:
    return None


@_outcome
async def _streamed(web: Any, request: Any) -> Any:
    response = web.StreamResponse(headers={"X-Stream": "yes"})
    await response.prepare(request)
    await response.write(b"in ")
    await response.write(b"pieces")
    await response.write_eof()
    return response


@_outcome
async def _prepared(web: Any, request: Any) -> Any:
    response = web.Response(text="prepared")
    await response.prepare(request)
    return response
