"""The staircase: which module may import which, and that each one stands alone."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import bascule

ROOT = "bascule"
SOURCE = Path(bascule.__file__).parent

# DESIGN section 1. Changed on purpose, never in passing.
FLOORS = {
    "wire": 1,
    "streams": 1,
    "channel": 2,
    "exchange": 2,
    "message": 3,
    "server": 3,
    "asgi": 3,
    "routing": 4,
    "app": 5,
    "web": 6,
    "abc": 6,
    "payload": 6,
    "testing": 6,
    "cli": 7,
    "worker": 7,
    "aiohttp_alias": 7,
    "pytest_fixtures": 7,
    "pytest_plugin": 7,
    "test_utils": 7,
    "__main__": 8,
}
WINGS = {"message", "server", "asgi"}
# The lazy face may point anywhere; nothing but its version is taken from it.
EXEMPT = {ROOT}
FREE_TO_ALL = "__version__"
# Where an import may stand inside a function.
LAZY = {
    ROOT,
    f"{ROOT}.cli",
    f"{ROOT}.web",  # the names that not every program uses
    f"{ROOT}.pytest_fixtures",  # in every run of pytest, in front of coverage
    f"{ROOT}.testing.testclient",  # asks for aiohttp, which is optional
}
# What may be imported inside functions of a module: it takes long to load, and most programs, or
# their first requests at least, do without. Faces as above are free.
RARE = {
    "app.application": {"bascule.app.asgi_calls", "bascule.app.mounts", "bascule.asgi.scope"},
    "app.handling": {"html"},
    "app.served": {"bascule.asgi.host"},
    "asgi.host": {"asgiref.compatibility"},
    "asgi.inner": {"asgiref.compatibility"},
    "asgi.lifespan": {"asgiref.compatibility"},
    "message.byteranges": {"secrets"},
    "message.forms": {"tempfile"},
    "message.request": {"bascule.message.forms", "bascule.message.multipart"},
    "message.request_head": {"bascule.wire.forwarded"},
    "routing.dispatcher": {"bascule.routing.static"},
    "routing.static": {"hashlib", "html"},
    "server.channel": {"bascule.server.assembler"},
    "server.cycle": {"bascule.server.deflate"},
    "server.referee": {"h11"},
    "wire.fields": {"email.utils"},
    "wire.handshake": {"hashlib"},
}
# Libraries that are known in some places only, and the places.
HOMES = {"h11": {"server"}, "websockets": {"server", "wire"}, "asgiref": {"asgi"}}
# Libraries that are unknown in some places.
BANS = {"wire": {"asyncio", "h11"}}


@dataclass(frozen=True)
class Arrow:
    """One imported name: which module takes what from where."""

    module: str
    line: int
    target: str
    name: str | None
    in_function: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line}"


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module, wherever they stand."""

    def __init__(self, module: str, is_package: bool) -> None:
        self.arrows: list[Arrow] = []
        self._module = module
        self._package = module if is_package else module.rpartition(".")[0]
        self._depth = 0

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node.lineno, alias.name, None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        target = node.module or ""
        if node.level:
            parents = self._package.split(".")
            base = ".".join(parents[: len(parents) - node.level + 1])
            target = f"{base}.{target}" if target else base
        for alias in node.names:
            self._add(node.lineno, target, alias.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def _add(self, line: int, target: str, name: str | None) -> None:
        self.arrows.append(Arrow(self._module, line, target, name, self._depth > 0))


def read_package(source: Path) -> dict[str, list[Arrow]]:
    """Read every import of every module below `source`, typing-only ones too."""
    modules = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join((ROOT, *(parts[:-1] if is_package else parts)))
        reader = _Reader(module, is_package)
        reader.visit(ast.parse(path.read_text(encoding="utf-8")))
        modules[module] = reader.arrows
    return modules


def find_faults(source: Path) -> list[str]:
    """Hold a source tree to the rules of the house; give each breach as one line."""
    modules = read_package(source)
    tops = {_top(module) for module in modules} - {""}
    faults = [f"{ROOT}.{top} has no floor" for top in sorted(tops - FLOORS.keys())]
    graph: dict[str, set[str]] = {}
    for module, arrows in modules.items():
        if module not in EXEMPT:
            graph[module] = set()
        for arrow in arrows:
            faults += _judge_place(arrow, modules)
            if arrow.target.partition(".")[0] != ROOT:
                faults += _judge_library(arrow)
            elif module not in EXEMPT:
                target = _resolve(arrow, modules)
                faults += _judge_arrow(arrow, target)
                graph[module] |= {target} - EXEMPT
    return faults + list(_find_circle(graph))


def _top(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _resolve(arrow: Arrow, modules: dict[str, list[Arrow]]) -> str:
    """Find the module that an arrow of ours ends at: ``from package import module`` is one."""
    if arrow.name is not None and f"{arrow.target}.{arrow.name}" in modules:
        return f"{arrow.target}.{arrow.name}"
    return arrow.target


def _judge_place(arrow: Arrow, modules: dict[str, list[Arrow]]) -> Iterator[str]:
    if not arrow.in_function or arrow.module in LAZY:
        return
    if _resolve(arrow, modules) not in RARE.get(arrow.module.removeprefix(f"{ROOT}."), ()):
        yield f"{arrow} imports inside a function"


def _judge_library(arrow: Arrow) -> Iterator[str]:
    library, top = arrow.target.partition(".")[0], _top(arrow.module)
    banned = library in BANS.get(top, ())
    if banned or (library in HOMES and top not in HOMES[library]):
        yield f"{arrow} must not know {library}"


def _judge_arrow(arrow: Arrow, target: str) -> Iterator[str]:
    here, there = _top(arrow.module), _top(target)
    if target == ROOT:
        if arrow.name != FREE_TO_ALL:
            yield f"{arrow} takes {arrow.name or ROOT} from the root"
    elif FLOORS.get(there, 0) > FLOORS.get(here, 99):
        yield f"{arrow} runs up to {target}"
    elif here != there and {here, there} <= WINGS:
        yield f"{arrow} runs between wings to {target}"


def _find_circle(graph: dict[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"circle: {' <- '.join(error.args[1])}"


# -- The house ------------------------------------------------------------------------------------


def test_the_house_keeps_its_rules() -> None:
    """DESIGN section 1."""
    assert find_faults(SOURCE) == []


def test_the_whole_house_is_read() -> None:
    modules = read_package(SOURCE)
    assert {ROOT, "bascule.exchange", "bascule.wire.head", "bascule.app.run"} <= modules.keys()
    targets = {arrow.target for arrow in modules["bascule.exchange.exchange"]}
    assert {"asyncio", "bascule.streams", "bascule.wire.grammar"} <= targets


# -- The checker itself, on small trees that break one rule each ----------------------------------


def build(source: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return source


GOOD = {
    "__init__.py": (
        "__version__ = '1'\n"
        "if TYPE_CHECKING:\n    from . import web as web\n"
        "def __getattr__(name):\n    from importlib import import_module\n    from . import web\n"
    ),
    "__main__.py": "from .cli import main\n",
    "cli.py": "from . import __version__\ndef main():\n    from .web import run_app\n",
    "web.py": "from .app.run import run_app\nfrom .exchange import Exchange\n",
    "app/__init__.py": "",
    "app/run.py": "from bascule import __version__\nfrom ..server.sites import Site\n",
    "server/__init__.py": "",
    "server/sites.py": "import asyncio, h11, websockets.sync\nfrom ..exchange import Exchange\n",
    "asgi/__init__.py": "",
    "asgi/host.py": "from asgiref.compatibility import x\nfrom .scope import y\n",
    "asgi/scope.py": "from ..wire import hdrs\n",
    "exchange.py": "import asyncio\nfrom .streams import StreamReader\nfrom .wire import hdrs\n",
    "streams.py": "import asyncio\n",
    "wire/__init__.py": "",
    "wire/hdrs.py": "from multidict import istr\nfrom websockets import frames\n",
    "wire/head.py": "from . import hdrs\nfrom .hdrs import X\n",
}

BREACHES = [
    pytest.param(
        {"exchange.py": "from .message.request import Request\n", "message/request.py": ""},
        ["bascule.exchange:1 runs up to bascule.message.request"],
        id="up",
    ),
    pytest.param(
        {"wire/a.py": "x = 1\nimport bascule.exchange\n", "exchange.py": ""},
        ["bascule.wire.a:2 runs up to bascule.exchange"],
        id="up, absolute",
    ),
    pytest.param(
        {"wire/a.py": "from .. import exchange\n", "exchange.py": ""},
        ["bascule.wire.a:1 runs up to bascule.exchange"],
        id="up, a module taken from its package",
    ),
    pytest.param(
        {"app/run.py": "from bascule import web\n", "web.py": ""},
        ["bascule.app.run:1 runs up to bascule.web"],
        id="up, through the root",
    ),
    pytest.param(
        {"streams.py": "if TYPE_CHECKING:\n    from .exchange import E\n", "exchange.py": ""},
        ["bascule.streams:2 runs up to bascule.exchange"],
        id="up, for typing only",
    ),
    pytest.param(
        {"cli.py": "def f():\n    from . import __main__\n", "__main__.py": ""},
        ["bascule.cli:2 runs up to bascule.__main__"],
        id="up, inside a function",
    ),
    pytest.param(
        {"wire/a.py": "from .b import x\n", "wire/b.py": "from .a import y\n"},
        ["circle: bascule.wire.a <- bascule.wire.b <- bascule.wire.a"],
        id="circle",
    ),
    pytest.param(
        {"streams.py": "from .wire.a import x\n", "wire/a.py": "from ..streams import y\n"},
        ["circle: bascule.streams <- bascule.wire.a <- bascule.streams"],
        id="circle on one floor",
    ),
    pytest.param(
        {"message/a.py": "from ..server.b import x\n", "server/b.py": ""},
        ["bascule.message.a:1 runs between wings to bascule.server.b"],
        id="message to server",
    ),
    pytest.param(
        {"asgi/a.py": "from bascule.message import b\n", "message/b.py": ""},
        ["bascule.asgi.a:1 runs between wings to bascule.message.b"],
        id="asgi to message",
    ),
    pytest.param(
        {"server/a.py": "if TYPE_CHECKING:\n    from ..asgi import b\n", "asgi/b.py": ""},
        ["bascule.server.a:2 runs between wings to bascule.asgi.b"],
        id="server to asgi",
    ),
    pytest.param({"attic.py": ""}, ["bascule.attic has no floor"], id="module without a floor"),
    pytest.param({"attic/a.py": ""}, ["bascule.attic has no floor"], id="folder without a floor"),
    pytest.param(
        {"exchange.py": "import h11\n"},
        ["bascule.exchange:1 must not know h11"],
        id="h11 outside server",
    ),
    pytest.param(
        {"wire/a.py": "from h11 import Connection\n"},
        ["bascule.wire.a:1 must not know h11"],
        id="h11 in wire",
    ),
    pytest.param(
        {"message/a.py": "import websockets.frames\n"},
        ["bascule.message.a:1 must not know websockets"],
        id="websockets outside server and wire",
    ),
    pytest.param(
        {"app/a.py": "from asgiref.sync import x\n"},
        ["bascule.app.a:1 must not know asgiref"],
        id="asgiref outside asgi",
    ),
    pytest.param(
        {"wire/a.py": "if TYPE_CHECKING:\n    from asyncio import Future\n"},
        ["bascule.wire.a:2 must not know asyncio"],
        id="asyncio in wire",
    ),
    pytest.param(
        {"app/a.py": "import bascule\n"},
        ["bascule.app.a:1 takes bascule from the root"],
        id="the root itself",
    ),
    pytest.param(
        {"app/a.py": "from bascule import AppKey, __version__\n"},
        ["bascule.app.a:1 takes AppKey from the root"],
        id="a name of the root",
    ),
    pytest.param(
        {"app/a.py": "from .. import *\n"},
        ["bascule.app.a:1 takes * from the root"],
        id="all names of the root",
    ),
    pytest.param(
        {"app/a.py": "class A:\n    async def f(self):\n        import json\n"},
        ["bascule.app.a:3 imports inside a function"],
        id="import inside a function",
    ),
    pytest.param(
        {"testing/__init__.py": "def f():\n    from . import memory\n", "testing/memory.py": ""},
        ["bascule.testing:2 imports inside a function"],
        id="import inside a function of another face",
    ),
    pytest.param(
        {"__init__.py": "import h11\n"}, ["bascule:1 must not know h11"], id="h11 in the root"
    ),
]


def test_a_good_house_has_no_faults(tmp_path: Path) -> None:
    assert find_faults(build(tmp_path, GOOD)) == []


@pytest.mark.parametrize(("files", "faults"), BREACHES)
def test_a_breach_is_found(tmp_path: Path, files: dict[str, str], faults: list[str]) -> None:
    assert find_faults(build(tmp_path, files)) == faults


# -- Each module alone ----------------------------------------------------------------------------

# A bare interpreter that forks for each module: as fresh as a new one, at a tenth of its price.
_IMPORT_EACH = """
import json, os, sys
watched = json.loads(sys.argv[2])
for foreign in sys.argv[3:]:
    __import__(foreign)
for module in json.loads(sys.argv[1]):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        error = None
        try:
            __import__(module)
        except BaseException as exc:
            error = f"{type(exc).__name__}: {exc}"
        loaded = [name for name in watched if name in sys.modules]
        print(json.dumps([module, error, loaded]), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
"""
_WATCHED = ["asgiref", "asyncio", "bascule.web", "h11", "multidict", "websockets"]
# What most modules import, at the price of most of their time.
_FOREIGN = [
    "asgiref.compatibility",
    "asyncio",
    "h11",
    "http.cookies",
    "multidict",
    "ssl",
    "websockets.extensions.permessage_deflate",
    "yarl",
]


# What a start does without, beside what it loads by way of these.
_COSTLY = {
    "asgiref.sync",
    "bascule.asgi.guest",
    "bascule.asgi.guest_http",
    "bascule.asgi.host",
    "bascule.message.eventsource",
    "bascule.message.forms",
    "bascule.message.multipart",
    "bascule.message.websocket",
    "bascule.routing.static",
    "email.utils",
    "h11",
    "html.entities",
    "importlib.metadata",
    "tempfile",
    "websockets",
}

_FRUGAL = [m for m in read_package(SOURCE) if m == ROOT or _top(m) == "wire"]

Imported = dict[str, tuple[str | None, list[str]]]


def import_each(modules: Sequence[str], *foreign: str) -> Imported:
    """Import each module in a fresh interpreter, which has imported others already; give its error
    and what it loaded."""
    arguments = (json.dumps(modules), json.dumps(_WATCHED), *foreign)
    lines = run_python("-W", "error", "-c", _IMPORT_EACH, *arguments)
    return {module: (error, loaded) for module, error, loaded in map(json.loads, lines)}


@cache
def import_frugal() -> Imported:
    """Import the modules of which it counts what they load."""
    return import_each(_FRUGAL)


def run_python(*arguments: str) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the fresh interpreters are forked")


@needs_fork
def test_each_module_imports_alone_and_without_a_warning() -> None:
    rest = [module for module in read_package(SOURCE) if module not in _FRUGAL]
    found = import_each(rest, *_FOREIGN) | import_frugal()
    assert len(found) == len(read_package(SOURCE))
    assert {module: error for module, (error, _) in found.items() if error is not None} == {}


@needs_fork
def test_the_root_loads_nothing() -> None:
    """DESIGN section 1: the command line and the pytest plugin load only what they need."""
    assert import_frugal()[ROOT] == (None, [])


@needs_fork
@pytest.mark.parametrize("module", [m for m in _FRUGAL if m != ROOT])
def test_wire_loads_neither_asyncio_nor_h11(module: str) -> None:
    """Not even by way of what it imports."""
    assert not {"asyncio", "h11"} & set(import_frugal()[module][1])


def test_what_is_rarely_needed_waits() -> None:
    """A program that makes an application, and serves it, starts without what costs most."""
    code = (
        # What measures coverage has modules of its own, loaded before the first line.
        "import sys\nbefore = set(sys.modules)\n"
        "from bascule import web\n"
        "app = web.Application()\n"
        "async def answer(request):\n    return web.Response(text='x')\n"
        "app.router.add_get('/', answer)\n"
        "web.AppRunner(app)\n"
        f"print(*sorted({_COSTLY!r} & set(sys.modules) - before))\n"
    )
    assert run_python("-W", "error", "-c", code) == [""]


def test_the_names_of_web_that_wait_are_there() -> None:
    code = (
        "from bascule import web\n"
        "missing = {'WebSocketResponse', 'get', 'FileResponse'} - set(vars(web))\n"
        "print(*sorted(missing), set(web.__all__) <= set(dir(web)))\n"
        "print(web.WebSocketResponse.__name__, 'WebSocketResponse' in vars(web))\n"
        "from bascule.web import *\n"
        "print(*[name for name in web.__all__ if name not in globals()])\n"
        "try:\n    web.nothing\nexcept AttributeError as exc:\n    print(exc)\n"
    )
    assert run_python("-W", "error", "-c", code) == [
        "FileResponse WebSocketResponse get True",
        "WebSocketResponse True",
        "",
        "module 'bascule.web' has no attribute 'nothing'",
    ]


def test_a_name_of_the_root_is_loaded_when_it_is_used() -> None:
    code = (
        "import bascule, sys\n"
        "print('bascule.web' in sys.modules)\n"
        "print(bascule.web.__name__, bascule.hdrs.__name__, bascule.AppKey.__name__)\n"
    )
    assert run_python("-W", "error", "-c", code) == [
        "False",
        "bascule.web bascule.wire.hdrs AppKey",
    ]


@pytest.mark.parametrize("name", bascule.__all__)
def test_the_root_has_every_name_that_it_lists(name: str) -> None:
    assert getattr(bascule, name) is not None


def test_the_root_has_no_other_names() -> None:
    face: Any = bascule
    with pytest.raises(AttributeError, match="module 'bascule' has no attribute 'nothing'"):
        _ = face.nothing
