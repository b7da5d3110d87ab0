"""The fixtures, hooks and options of ``aiohttp.pytest_plugin``, for applications of bascule.

They come with ``pytest_plugins = "bascule.pytest_plugin"``. Where pytest-asyncio or anyio runs a
test, the fixtures serve it there; coroutine functions that nobody runs are run in `loop`.
"""

import asyncio
import inspect
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, cast

import pytest

from .pytest_fixtures import _bascule_anyio_lease  # noqa: F401  # for runs without the entry point
from .testing.factories import RawServerFactory, ServerFactory, TestClientFactory
from .testing.loops import loop_context, setup_test_loop, teardown_test_loop
from .testing.ports import unused_port as _find_unused_port

AiohttpClient = TestClientFactory
AiohttpServer = ServerFactory
AiohttpRawServer = RawServerFactory
_LoopFactory = Callable[[], asyncio.AbstractEventLoop]
# Fixtures that give a loop, the one that is asked for by few first.
_LOOPS = ("proactor_loop", "loop")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add aiohttp's options."""
    parser.addoption(
        "--aiohttp-fast", action="store_true", help="run tests faster by disabling extra checks"
    )
    parser.addoption(
        "--aiohttp-loop",
        default="pyloop",
        help="run tests with specific loop: pyloop, uvloop or all",
    )
    parser.addoption(
        "--aiohttp-enable-loop-debug", action="store_true", help="enable event loop debug mode"
    )


# -- who runs a test ------------------------------------------------------------------------------


def _is_run_elsewhere(item: Any) -> bool:  # Any: an item of any plugin
    """Say whether pytest-asyncio or anyio runs a test. The first marks all that it runs."""
    if not inspect.iscoroutinefunction(getattr(item, "obj", None)):
        return False
    by_asyncio: bool = item.config.pluginmanager.has_plugin("asyncio")
    marked = by_asyncio and item.get_closest_marker("asyncio") is not None
    return marked or "anyio_backend" in item.fixturenames


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function that nobody else runs, in the loop that it asks for or in one of
    its own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or _is_run_elsewhere(pyfuncitem):
        return None
    loop = _find_loop(pyfuncitem)
    given = pyfuncitem.funcargs
    names = inspect.signature(test).parameters
    with _refusing_runtime_warnings():
        loop.run_until_complete(test(**{name: given[name] for name in names if name in given}))
    return True


def _find_loop(item: pytest.Function) -> asyncio.AbstractEventLoop:
    """Give the loop that a test asks for, or one that is open until its fixtures were torn down."""
    for name in _LOOPS:
        if name in item.funcargs:
            return cast("asyncio.AbstractEventLoop", item.funcargs[name])  # by its fixture
    loop = setup_test_loop()
    fast = bool(item.config.getoption("--aiohttp-fast"))
    item.addfinalizer(partial(teardown_test_loop, loop, fast=fast))
    return loop


@contextmanager
def _refusing_runtime_warnings() -> Iterator[None]:
    """Fail for coroutines that were never awaited; other warnings go where they always do."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    told = []
    for each in caught:
        if issubclass(each.category, RuntimeWarning):
            told.append(f"{each.filename}:{each.lineno}:{each.message}")
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if told:
        lines = "\n".join(told)
        raise RuntimeError(f"{len(told)} Runtime Warning{'s' * (len(told) > 1)},\n{lines}")


# -- asynchronous fixtures ------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Let a fixture be a coroutine function or an asynchronous generator, run in `loop`, unless
    another plugin has seen to it."""
    make: Any = fixturedef.func
    is_generator = inspect.isasyncgenfunction(make)
    if not (is_generator or inspect.iscoroutinefunction(make)) or _is_run_elsewhere(request.node):
        return (yield)
    run = _run_generator if is_generator else _run_coroutine

    def make_in_loop(**kwargs: Any) -> Any:
        return run(_find_fixture_loop(request), _bind(make, request.instance), kwargs, request)

    fixturedef.func = make_in_loop  # type: ignore[misc]  # pytest has no other way to say it
    try:
        return (yield)
    finally:
        fixturedef.func = make  # type: ignore[misc]  # as above


def _find_fixture_loop(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoop:
    for name in _LOOPS:
        if name in request.fixturenames:
            loop: asyncio.AbstractEventLoop = request.getfixturevalue(name)
            return loop
    raise Exception(
        "Asynchronous fixtures must depend on the 'loop' fixture "
        "or be used in tests depending from it."
    )


def _bind(make: Any, instance: object) -> Any:
    """Bind a fixture that is a method to the instance of its test."""
    if inspect.ismethod(make) and isinstance(instance, type(make.__self__)):
        return make.__func__.__get__(instance)
    return make


def _run_coroutine(
    loop: asyncio.AbstractEventLoop,
    make: Callable[..., Coroutine[Any, Any, Any]],
    kwargs: dict[str, Any],
    request: pytest.FixtureRequest,
) -> Any:
    return loop.run_until_complete(make(**kwargs))


def _run_generator(
    loop: asyncio.AbstractEventLoop,
    make: Callable[..., Any],
    kwargs: dict[str, Any],
    request: pytest.FixtureRequest,
) -> Any:
    generator = make(**kwargs)
    value = loop.run_until_complete(anext(generator))

    async def finish() -> None:
        try:
            await anext(generator)
        except StopAsyncIteration:
            return
        await generator.aclose()
        raise RuntimeError(f"The asynchronous fixture {make.__name__!r} yields more than once")

    request.addfinalizer(lambda: loop.run_until_complete(finish()))
    return value


# -- fixtures of the loop -------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that need a loop in each kind that ``--aiohttp-loop`` names."""
    if "loop_factory" not in metafunc.fixturenames:
        return
    factories = _find_factories(metafunc.config.getoption("--aiohttp-loop"))
    metafunc.parametrize("loop_factory", [*factories.values()], ids=[*factories], indirect=True)


def _find_factories(names: str) -> dict[str, _LoopFactory]:
    """Find loops by their names, between commas; with ``?`` one that is not there is left out."""
    available: dict[str, _LoopFactory] = {"pyloop": asyncio.new_event_loop}
    try:
        available["uvloop"] = import_module("uvloop").new_event_loop
    except ImportError:
        pass
    if names == "all":
        names = "pyloop,uvloop?"
    found = {}
    for name in names.split(","):
        bare = name.strip(" ?")
        if bare in available:
            found[bare] = available[bare]
        elif not name.strip().endswith("?"):
            raise ValueError(f"Unknown loop '{bare}', available loops: {[*available]}")
    return found


@pytest.fixture
def loop_factory(request: pytest.FixtureRequest) -> _LoopFactory:
    """Give what makes the event loop."""
    factory: _LoopFactory = getattr(request, "param", asyncio.new_event_loop)
    return factory


@pytest.fixture
def fast(request: pytest.FixtureRequest) -> bool:
    """--aiohttp-fast config option"""
    return bool(request.config.getoption("--aiohttp-fast"))


@pytest.fixture
def loop_debug(request: pytest.FixtureRequest) -> bool:
    """--aiohttp-enable-loop-debug config option"""
    return bool(request.config.getoption("--aiohttp-enable-loop-debug"))


@pytest.fixture
def loop(
    loop_factory: _LoopFactory, fast: bool, loop_debug: bool
) -> Iterator[asyncio.AbstractEventLoop]:
    """Return an instance of the event loop.

    In tests that another plugin runs it is not the loop that they run in.
    """
    with loop_context(loop_factory, fast=fast) as current:
        if loop_debug:
            current.set_debug(True)
        yield current


@pytest.fixture
def proactor_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Return an event loop by completion ports, on Windows."""
    factory: Any = asyncio  # Any: only Windows has this class
    with loop_context(factory.ProactorEventLoop) as current:
        yield current


# -- fixtures of servers and clients --------------------------------------------------------------


@pytest.fixture
def aiohttp_unused_port() -> Callable[[], int]:
    """Return a port that is unused on the current host."""
    return _find_unused_port


@pytest.fixture
def aiohttp_server(
    request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop
) -> ServerFactory:
    """Factory to create a TestServer instance, given an app.

    aiohttp_server(app, **kwargs)
    """
    return ServerFactory(request)


@pytest.fixture
def aiohttp_raw_server(
    request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop
) -> RawServerFactory:
    """Factory to create a RawTestServer instance, given a web handler.

    aiohttp_raw_server(handler, **kwargs)
    """
    return RawServerFactory(request)


@pytest.fixture
def aiohttp_client(
    request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop
) -> TestClientFactory:
    """Factory to create a TestClient instance.

    aiohttp_client(app, **kwargs)
    aiohttp_client(server, **kwargs)
    aiohttp_client(raw_server, **kwargs)
    """
    return TestClientFactory(request)


@pytest.fixture
def unused_port(aiohttp_unused_port: Callable[[], int]) -> Callable[[], int]:
    """Deprecated: `aiohttp_unused_port`."""
    _warn_about("aiohttp_unused_port")
    return aiohttp_unused_port


@pytest.fixture
def test_server(aiohttp_server: ServerFactory) -> ServerFactory:
    """Deprecated: `aiohttp_server`."""
    _warn_about("aiohttp_server")
    return aiohttp_server


@pytest.fixture
def raw_test_server(aiohttp_raw_server: RawServerFactory) -> RawServerFactory:
    """Deprecated: `aiohttp_raw_server`."""
    _warn_about("aiohttp_raw_server")
    return aiohttp_raw_server


@pytest.fixture
def test_client(aiohttp_client: TestClientFactory) -> TestClientFactory:
    """Deprecated: `aiohttp_client`."""
    _warn_about("aiohttp_client")
    return aiohttp_client


def _warn_about(name: str) -> None:
    warnings.warn(f"Deprecated, use {name} fixture instead", DeprecationWarning, stacklevel=3)
