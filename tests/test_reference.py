"""The surface of `bascule.web` held to that of ``aiohttp.web``, name by name, by introspection.

Names, members and their kinds, parameters, values of class attributes, and relations of classes
are compared; what differs is in the tables of `reference_differences`, nothing else may. What
things do is the business of the differential tests, what type checkers say that of `test_typing`.

``python tests/test_reference.py`` prints the comparison.
"""

import collections.abc
import logging
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from reference_differences import AWAITED, DESIGN
from support.surface import MISSING, compare_members, compare_surfaces, read_member, read_surface

# Where the two sides keep what is not in both `__all__`.
HOMES = {
    "AbstractAccessLogger": ("aiohttp.abc", "bascule.abc"),
    "AbstractMatchInfo": ("aiohttp.abc", "bascule.abc"),
    "AbstractRouter": ("aiohttp.abc", "bascule.abc"),
    "AbstractRuleMatching": ("aiohttp.web_urldispatcher", "bascule.routing.subapps"),
    "AbstractStreamWriter": ("aiohttp.abc", "bascule.abc"),
    "AbstractView": ("aiohttp.abc", "bascule.abc"),
    "AccessLogger": ("aiohttp.web_log", "bascule.web"),
    "BaseKey": ("aiohttp.helpers", "bascule.message.keys"),
    "ChainMapProxy": ("aiohttp.helpers", "bascule.message.chainmap"),
    "CleanupContext": ("aiohttp.web_app", "bascule.app.signals"),
    "ClientConnectionResetError": ("aiohttp", "bascule.web"),
    "Domain": ("aiohttp.web_urldispatcher", "bascule.routing.subapps"),
    "ETag": ("aiohttp", "bascule.wire.conditions"),
    "EmptyStreamReader": ("aiohttp.streams", "bascule.streams"),
    "FrozenList": ("frozenlist", "bascule.app.signals"),
    "HttpVersion": ("aiohttp", "bascule.wire.grammar"),
    "MaskDomain": ("aiohttp.web_urldispatcher", "bascule.routing.subapps"),
    "MatchInfoError": ("aiohttp.web_urldispatcher", "bascule.routing.match"),
    "MatchedSubAppResource": ("aiohttp.web_urldispatcher", "bascule.routing.subapps"),
    "PrefixResource": ("aiohttp.web_urldispatcher", "bascule.routing.resources"),
    "ResourcesView": ("aiohttp.web_urldispatcher", "bascule.routing.dispatcher"),
    "RoutesView": ("aiohttp.web_urldispatcher", "bascule.routing.dispatcher"),
    "Signal": ("aiosignal", "bascule.app.signals"),
    "StreamReader": ("aiohttp", "bascule.streams"),
    "SystemRoute": ("aiohttp.web_urldispatcher", "bascule.routing.routes"),
    "access_logger": ("aiohttp.log", "bascule.web"),
    "main": ("aiohttp.web", "bascule.web"),
}

FOLDER = Path(__file__).parent
# One instance of what is easily made: some attributes are on instances alone.
Get = Callable[[str], Any]
INSTANCES: dict[str, Callable[[Get], Any]] = {
    "AbstractAccessLogger": lambda get: get("AccessLogger")(logging.getLogger("reference")),
    "AccessLogger": lambda get: get("AccessLogger")(logging.getLogger("reference")),
    "AppKey": lambda get: get("AppKey")("name", int),
    "Application": lambda get: get("Application")(),
    "AppRunner": lambda get: get("AppRunner")(get("Application")()),
    "CleanupContext": lambda get: get("CleanupContext")(),
    "CleanupError": lambda get: get("CleanupError")("text", []),
    "Domain": lambda get: get("Domain")("example.org"),
    "DynamicResource": lambda get: get("DynamicResource")("/{name}"),
    "ETag": lambda get: get("ETag")("value"),
    "FileResponse": lambda get: get("FileResponse")(__file__),
    "FrozenList": lambda get: get("FrozenList")(),
    "GracefulExit": lambda get: get("GracefulExit")(),
    "HTTPException": lambda get: get("HTTPOk")(),
    "HTTPMethodNotAllowed": lambda get: get("HTTPMethodNotAllowed")("GET", ["POST"]),
    "HTTPMove": lambda get: get("HTTPFound")("/"),
    "HTTPRequestEntityTooLarge": lambda get: get("HTTPRequestEntityTooLarge")(1, 2),
    "HTTPUnavailableForLegalReasons": lambda get: get("HTTPUnavailableForLegalReasons")(link="/"),
    "MaskDomain": lambda get: get("MaskDomain")("*.org"),
    "MatchInfoError": lambda get: get("MatchInfoError")(get("HTTPNotFound")()),
    "MatchedSubAppResource": lambda get: get("Application")().add_domain("a", get("Application")()),
    "PlainResource": lambda get: get("PlainResource")("/"),
    "PrefixedSubAppResource": lambda get: get("Application")().add_subapp(
        "/a", get("Application")()
    ),
    "ResourceRoute": lambda get: get("UrlDispatcher")().add_get("/", handle),
    "Response": lambda get: get("Response")(),
    "RouteDef": lambda get: get("get")("/", handle),
    "RouteTableDef": lambda get: get("RouteTableDef")(),
    "Signal": lambda get: get("Signal")(None),
    "StaticDef": lambda get: get("static")("/", __file__),
    "StaticResource": lambda get: get("UrlDispatcher")().add_static("/", FOLDER),
    "StreamResponse": lambda get: get("StreamResponse")(),
    "SystemRoute": lambda get: get("SystemRoute")(get("HTTPNotFound")()),
    "UrlDispatcher": lambda get: get("UrlDispatcher")(),
    "View": lambda get: get("View")(None),
}

# Of the application and its data, routing, definitions, middlewares, exceptions, keys and the
# access log nothing may be put off.
COMPLETE = re.compile(
    r"Abstract(AccessLogger|MatchInfo|Resource|Route|RouteDef|Router|RuleMatching|View)|AccessLogger"
    r"|Application|BaseKey|[AR]\w+Key|NotAppKeyWarning|ChainMapProxy|Cleanup\w+|FrozenList|Signal"
    r"|\w*Domain|\w*Resource|Resource\w+|\w*Route|Route\w+|Routes\w+|StaticDef|UrlDispatcher"
    r"|MatchInfoError|UrlMappingMatchInfo|View|HTTP[A-Z]\w+|[a-z_]+"
)


async def handle(request: object) -> Any:
    """Be a handler; it is never called."""


# -- the comparison -------------------------------------------------------------------------------


@cache
def find_pairs() -> dict[str, tuple[Any, Any]]:
    """Give by name what is on the two sides, MISSING where there is nothing."""
    names = sorted({*aiohttp.web.__all__, *bascule.web.__all__, *HOMES})
    homes = {name: HOMES.get(name, ("aiohttp.web", "bascule.web")) for name in names}
    return {
        name: (
            getattr(import_module(theirs), name, MISSING),
            getattr(import_module(ours), name, MISSING),
        )
        for name, (theirs, ours) in homes.items()
    }


@cache
def compare_all() -> tuple[str, ...]:
    """Compare the two surfaces; give each difference as one line."""
    return tuple(f"{name}{line}" for name in find_pairs() for line in compare(name))


def compare(name: str) -> Iterator[str]:
    """Compare what has this name."""
    theirs, ours = find_pairs()[name]
    if theirs is MISSING or ours is MISSING:
        yield ": extra" if theirs is MISSING else ": missing"
    elif isinstance(theirs, type) and isinstance(ours, type):
        yield from compare_classes(name)
    else:
        yield from compare_members(read_member(theirs), read_member(ours))


@cache
def compare_classes(name: str) -> tuple[str, ...]:
    """Compare two classes; what differs in a base of both is told of the base alone."""
    theirs, ours = find_pairs()[name]
    lines = [*compare_bases(theirs, ours)]
    lines += compare_surfaces(
        *(read_surface(each, make_one(name, each)) for each in (theirs, ours))
    )
    told = {
        line
        for base, (left, right) in find_pairs().items()
        if left in theirs.__mro__[1:] and right in ours.__mro__[1:]
        for line in compare_classes(base)
    }
    return tuple(line for line in lines if line not in told)


def make_one(name: str, cls: type) -> Any:
    """Make an instance of a class or of its nearest base, where that is known; None elsewhere."""
    side = find_pairs()[name].index(cls)
    names = {pair[side]: each for each, pair in find_pairs().items() if isinstance(pair[0], type)}
    for base in cls.__mro__:
        if build := INSTANCES.get(names.get(base, "")):
            return build(lambda other: find_pairs()[other][side])
    return None


def compare_bases(theirs: type, ours: type) -> Iterator[str]:
    """Compare what instances of two classes are known to be."""
    left, right = name_bases(theirs, 0), name_bases(ours, 1)
    yield from (f" is a {base}: missing" for base in sorted(left - right))
    yield from (f" is a {base}: extra" for base in sorted(right - left))


def name_bases(cls: type, side: int) -> set[str]:
    """Name the classes that a class is a subclass of, of those that users know."""
    known = {name: pair[side] for name, pair in find_pairs().items() if MISSING not in pair}
    known |= {name: getattr(collections.abc, name) for name in collections.abc.__all__}
    known |= {
        base.__name__: base for base in cls.__mro__ if base.__module__ in ("builtins", "enum")
    }
    return {
        name
        for name, base in known.items()
        if isinstance(base, type) and base is not cls and issubclass(cls, base)
    }


def declared() -> list[str]:
    """Give the differences that the tables declare."""
    return [line for table in (DESIGN, AWAITED) for lines in table.values() for line in lines]


# -- the tests ------------------------------------------------------------------------------------

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiohttp")


def test_whatever_differs_is_declared() -> None:
    assert [line for line in compare_all() if line not in declared()] == []


def test_whatever_is_declared_differs() -> None:
    assert [line for line in declared() if line not in compare_all()] == []


def test_each_difference_has_one_reason_that_is_a_sentence() -> None:
    assert [line for line, count in Counter(declared()).items() if count > 1] == []
    assert [reason for reason in (*DESIGN, *AWAITED) if not reason.endswith(".")] == []


def test_nothing_that_is_complete_is_awaited() -> None:
    awaited = {line for lines in AWAITED.values() for line in lines}
    late = [line for line in awaited if COMPLETE.fullmatch(re.split(r"[.:( ]", line)[0])]
    assert late == []


def test_all_of_the_reference_is_compared() -> None:
    assert aiohttp.web.__all__
    assert {*aiohttp.web.__all__, *HOMES} <= find_pairs().keys()
    assert [name for name, (theirs, _) in find_pairs().items() if theirs is MISSING] == [
        name for name in find_pairs() if f"{name}: extra" in declared()
    ]


EXCEPTIONS = sorted(name for name in aiohttp.web.__all__ if name.startswith("HTTP"))
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "HTTPMethodNotAllowed": ("GET", ["POST", "PUT"]),
    "HTTPRequestEntityTooLarge": (1, 2),
    "HTTPUnavailableForLegalReasons": ("https://example.org/law",),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions_say_the_same(name: str) -> None:
    """Status, reason, text and fields of each, made with what it cannot do without."""
    assert describe_exception(bascule.web, name) == describe_exception(aiohttp.web, name)


def describe_exception(module: Any, name: str) -> object:
    """Make an exception; give what it says, or why it cannot be made."""
    cls = getattr(module, name)
    arguments = ARGUMENTS.get(name, ("/moved",) if issubclass(cls, module.HTTPMove) else ())
    table = (cls.status_code, cls.empty_body)
    if cls.status_code == -1:
        return table
    made = cls(*arguments, headers={"X-Field": "value"})
    told = (made.status, made.reason, made.text, made.body, sorted(made.headers.items()))
    return *table, *told, str(made), made.args


# -- the comparison itself, on small classes that differ in one thing each ------------------------


class Base:
    """What the others differ from."""

    VALUE = 1

    def __init__(self, a: int, *, b: int = 1) -> None:
        self.shown = a

    @property
    def settable(self) -> int:
        return 1

    @settable.setter
    def settable(self, value: int) -> None: ...

    def method(self, one: int, two: int = 2) -> None: ...

    async def coroutine(self) -> None: ...

    @staticmethod
    def static(a: int) -> None: ...


def _variant(**members: Any) -> type:
    namespace = {**vars(Base), **members}
    return type("Variant", (), {name: each for name, each in namespace.items() if each is not None})


BREACHES = [
    pytest.param({"VALUE": 2}, [".VALUE: 1 -> 2"], id="value"),
    pytest.param({"method": None}, [".method: missing"], id="missing"),
    pytest.param({"more": Base.method}, [".more: extra"], id="extra"),
    pytest.param({"__len__": Base.method}, [".__len__: extra"], id="protocol"),
    pytest.param(
        {"settable": property(lambda self: 1)},
        [".settable: settable property -> property"],
        id="no longer settable",
    ),
    pytest.param(
        {"coroutine": lambda self: None}, [".coroutine: coroutine -> method"], id="no coroutine"
    ),
    pytest.param(
        {"static": Base.static},
        [".static: static method -> method", ".static(a): missing"],
        id="not static",
    ),
    pytest.param(
        {"__init__": lambda self, a, *, b=2: None},
        [".__init__(b): default 1 -> 2", ".shown: missing"],
        id="default",
    ),
    pytest.param(
        {"method": lambda self, two=2, one=1: None},
        [".method(one): default none -> 1", ".method: other order of parameters"],
        id="order",
    ),
    pytest.param(
        {"method": lambda self, one, *, two=2: None},
        [
            ".method(two): positional or keyword -> keyword-only",
            ".method: other order of parameters",
        ],
        id="kind of a parameter",
    ),
    pytest.param(
        {"method": lambda self, one, three: None},
        [".method(two): missing", ".method(three): extra"],
        id="name of a parameter",
    ),
]


@pytest.mark.parametrize(("members", "lines"), BREACHES)
def test_the_comparison_sees_it(members: dict[str, Any], lines: list[str]) -> None:
    theirs, ours = read_surface(Base, Base(1)), read_surface(_variant(**members), None)
    if "__init__" not in members:
        del theirs["shown"]
    assert [*compare_surfaces(theirs, ours)] == lines


def write_report() -> Iterator[str]:
    """Give the lines of a report: the differences by reason, those without one first."""
    lines = set(compare_all())
    undeclared = tuple(sorted(lines - {*declared()}))
    tables = {"Undeclared": {"": undeclared}, "By design": DESIGN, "Awaited": AWAITED}
    yield f"{len(find_pairs())} names compared, {len(lines)} differences"
    for title, table in tables.items():
        yield f"\n{title}: {sum(map(len, table.values()))}"
        for reason, told in table.items():
            yield f"\n  {reason}"
            yield from (f"    {line}{'' if line in lines else '  (no longer)'}" for line in told)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    sys.stdout.write("\n".join(write_report()) + "\n")
    sys.exit({*compare_all()} != {*declared()})
