"""The fixtures for pytest, in runs of their own, with each plugin that runs coroutines."""

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from xml.etree import ElementTree

import pytest

pytest_plugins = "pytester"

# What the files below have in common; the last line of each run's checks stands in a fixture that
# is set up first, and so is torn down behind all others.
COMMON = """
import asyncio
import pytest
from bascule import web

LOG = []

async def hello(request):
    return web.Response(text="hello")

def make_app():
    async def context(app):
        task = asyncio.current_task()
        LOG.append("start")
        yield
        LOG.append("stop")
        assert asyncio.current_task() is task

    app = web.Application()
    app.router.add_get("/", hello)
    app.cleanup_ctx.append(context)
    return app

async def ask(url):
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    return text

@pytest.fixture
def whole_life():
    LOG.clear()
    yield
    assert LOG == ["start", "stop"]

@pytest.fixture
def used_in_teardown():
    LOG.clear()
    yield
    assert LOG == ["start", "torn down", "stop"]
"""
OURS = """
{mark}
async def test_client(whole_life, bascule_client):
    client = await bascule_client(make_app(), headers={{"A": "b"}})
    answer = await client.get("/")
    assert (answer.status, await answer.text(), LOG) == (200, "hello", ["start"])

{mark}
async def test_server(whole_life, bascule_server):
    server = await bascule_server(make_app(), shutdown_timeout=1)
    assert (await ask(server.make_url("/"))).endswith(b"hello")

{mark}
async def test_client_of_a_started_server(whole_life, bascule_server, bascule_client):
    client = await bascule_client(await bascule_server(make_app()))
    assert (await client.get("/")).status == 200

{mark}
async def test_raw_server(bascule_raw_server):
    server = await bascule_raw_server(hello)
    assert (await ask(server.make_url("/"))).endswith(b"hello")

{mark}
async def test_failing_start(bascule_client, bascule_server):
    async def fail(app):
        raise ValueError("no")

    for factory in (bascule_client, bascule_server):
        app = make_app()
        app.on_startup.append(fail)
        with pytest.raises(ValueError, match="no"):
            await factory(app)

{fixture}
async def client(bascule_client{loop}):
    client = await bascule_client(make_app())
    yield client
    assert (await client.get("/")).status == 200
    LOG.append("torn down")

{mark}
async def test_fixture(used_in_teardown, client):
    assert (await client.get("/")).status == 200
"""
AIOHTTPS = """
{mark}
async def test_aiohttp_client(whole_life, aiohttp_client):
    client = await aiohttp_client(make_app())
    async with client.get("/") as response:
        assert (response.status, await response.text()) == (200, "hello")

{mark}
async def test_aiohttp_servers(whole_life, aiohttp_server, aiohttp_raw_server, aiohttp_client):
    for server in (await aiohttp_server(make_app()), await aiohttp_raw_server(hello)):
        client = await aiohttp_client(server)
        assert (await client.get("/")).status == 200

def test_synchronous(whole_life, loop, aiohttp_client):
    client = loop.run_until_complete(aiohttp_client(make_app()))
    assert loop.run_until_complete(client.get("/")).status == 200
"""
ANYIO = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
_SCOPE = "asyncio_default_fixture_loop_scope=function"
RUNNERS = {
    "asyncio, strict": (
        ["-o", "asyncio_mode=strict", "-o", _SCOPE],
        {"mark": "@pytest.mark.asyncio", "fixture": "@pytest_asyncio.fixture", "loop": ""},
        "import pytest_asyncio\n",
    ),
    "asyncio, auto": (
        ["-p", "no:anyio", "-o", "asyncio_mode=auto", "-o", _SCOPE],
        {"mark": "", "fixture": "@pytest.fixture", "loop": ""},
        "",
    ),
    "anyio": (
        ["-p", "no:asyncio"],
        {"mark": "@pytest.mark.anyio", "fixture": "@pytest.fixture", "loop": ""},
        ANYIO,
    ),
    "anyio, auto": (
        ["-p", "no:asyncio", "-o", "anyio_mode=auto"],
        {"mark": "", "fixture": "@pytest.fixture", "loop": ""},
        ANYIO,
    ),
    "anyio beside asyncio": (
        ["-o", _SCOPE],
        {"mark": "@pytest.mark.anyio", "fixture": "@pytest.fixture", "loop": ""},
        ANYIO,
    ),
    "the plugin itself": (
        ["-p", "no:asyncio", "-p", "no:anyio"],
        {"mark": "", "fixture": "@pytest.fixture", "loop": ", loop"},
        "",
    ),
}


# What pytest says where Python is told to leave out asserts: it keeps those of tests.
OPTIMIZED = ["-W", "ignore:assertions not in test modules"]


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    """Run a file of tests in a process of its own, with warnings as errors."""
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess(
        "-W", "error", *OPTIMIZED, "-p", "no:cacheprovider", *arguments
    )


# -- who runs coroutines --------------------------------------------------------------------------


@pytest.mark.parametrize("runner", RUNNERS)
def test_fixtures_serve_every_runner_of_coroutines(pytester: pytest.Pytester, runner: str) -> None:
    """What was opened is open until the fixtures that use it were torn down, and is closed then."""
    arguments, words, head = RUNNERS[runner]
    pytester.makeconftest('pytest_plugins = "bascule.pytest_plugin"')
    text = head + COMMON + OURS.format(**words) + AIOHTTPS.format(**words)
    run(pytester, text, *arguments).assert_outcomes(passed=9)


def test_fixtures_need_no_plugin_in_synchronous_tests(pytester: pytest.Pytester) -> None:
    """`asyncio.run` ends what the test has left open."""
    text = """
    def test_run(whole_life, bascule_client):
        async def main():
            return (await (await bascule_client(make_app())).get("/")).status

        assert asyncio.run(main()) == 200
    """
    text = COMMON + text.replace("\n    ", "\n")
    run(pytester, text, "-p", "no:asyncio", "-p", "no:anyio").assert_outcomes(passed=1)


def test_trouble_of_clean_up_is_told(pytester: pytest.Pytester) -> None:
    text = """
    async def test_clean_up(bascule_client):
        async def fail(app):
            raise ValueError("no clean-up")

        app = make_app()
        app.on_cleanup.append(fail)
        await bascule_client(app)
    """
    text = COMMON + text.replace("\n    ", "\n")
    result = run(pytester, text, "-o", "asyncio_mode=auto", "-o", _SCOPE)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ValueError: no clean-up"])


# -- the automatic entry point --------------------------------------------------------------------


def test_the_entry_point_is_one_module_of_fixtures() -> None:
    (found,) = [each for each in entry_points(group="pytest11") if each.name == "bascule"]
    assert found.value == "bascule.pytest_fixtures"


def test_every_run_has_three_fixtures_and_none_of_aiohttp(pytester: pytest.Pytester) -> None:
    """They are pytest-aiohttp's."""
    result = run(pytester, "", "-p", "no:asyncio", "--fixtures")
    text = result.stdout.str().partition("fixtures defined from bascule.pytest_fixtures")[2]
    found = re.findall(r"^(\w+) -- ", text.partition("fixtures defined from")[0], re.M)
    assert found == ["bascule_client", "bascule_server", "bascule_raw_server"]
    assert not re.search(r"^aiohttp_", result.stdout.str(), re.M)


def test_a_run_that_uses_no_fixture_loads_nothing_of_bascule(pytester: pytest.Pytester) -> None:
    """Such as those that measure coverage, which begins behind the plugins."""
    text = """
    import sys

    def test_modules():
        loaded = {name for name in sys.modules if name.partition(".")[0] == "bascule"}
        assert loaded == {"bascule", "bascule.pytest_fixtures"}
        assert not {"aiohttp", "h11", "multidict"} & sys.modules.keys()
    """
    run(pytester, text, "-p", "no:asyncio").assert_outcomes(passed=1)


# -- the plugin with aiohttp's names --------------------------------------------------------------

SAME = """
import asyncio
import pytest
from {package} import web
from {package}.test_utils import AioHTTPTestCase, RawTestServer, TestServer

async def hello(request):
    return web.Response(text="hello")

def make_app():
    app = web.Application()
    app.router.add_get("/", hello)
    return app

async def test_loop(loop):
    assert asyncio.get_running_loop() is loop

async def test_without_loop():
    assert asyncio.get_running_loop()

def test_synchronous_loop(loop):
    assert asyncio.get_event_loop() is loop

async def test_client(aiohttp_client):
    client = await aiohttp_client(make_app(), headers={{"A": "b"}})
    print(type(client).__name__, client.started if hasattr(client, "started") else "")
    print((await client.get("/")).request_info.headers["A"], client.server.started)

async def test_client_of_servers(aiohttp_client):
    for server in (TestServer(make_app()), RawTestServer(hello)):
        client = await aiohttp_client(server)
        print((await client.get("/")).status, client.server is server, client.app is None)

async def test_server_kwargs(aiohttp_client):
    kwargs = {{"host": "localhost", "skip_url_asserts": True}}
    client = await aiohttp_client(make_app(), server_kwargs=kwargs)
    print(client.make_url("/").host, client.server.skip_url_asserts)

@pytest.mark.parametrize("wrong", [5, None, "x"])
async def test_no_application(aiohttp_client, wrong):
    await aiohttp_client(wrong)

async def test_more_arguments(aiohttp_client):
    await aiohttp_client(make_app(), 1)

async def test_server(aiohttp_server, aiohttp_unused_port):
    port = aiohttp_unused_port()
    server = await aiohttp_server(make_app(), port=port, shutdown_timeout=1)
    print(server.port == port, server.started, server.closed, server.host)

async def test_raw_server(aiohttp_raw_server, aiohttp_client):
    server = await aiohttp_raw_server(hello)
    print(server.host, (await (await aiohttp_client(server)).get("/")).status)

async def test_failure(loop):
    assert not "a failure"

async def test_never_awaited():
    hello(None)

@pytest.fixture
async def value(loop):
    return asyncio.get_running_loop()

@pytest.fixture
async def block(loop):
    yield asyncio.get_running_loop()
    print("torn down")

@pytest.fixture
async def without_loop():
    return 1

async def test_asynchronous_fixtures(value, block, loop):
    print(value is block is loop)

def test_asynchronous_fixture_of_a_synchronous_test(value):
    print(type(value).__name__)

async def test_asynchronous_fixture_without_loop(without_loop):
    pass

@pytest.mark.parametrize("number", [1, 2])
async def test_parameters(number, loop):
    print(number)

@pytest.mark.parametrize("name", ["unused_port", "test_server", "raw_test_server", "test_client"])
async def test_deprecated(name, request, loop):
    with pytest.warns(DeprecationWarning) as told:
        print(callable(request.getfixturevalue(name)))
    print([(str(each.message), each.filename.rpartition("/")[2]) for each in told])

async def test_options(loop, fast, loop_debug):
    print(fast, loop_debug, loop.get_debug(), type(loop).__module__.partition(".")[0])

async def test_proactor(proactor_loop):
    pass

class TestMethods:
    async def test_method(self, loop):
        assert asyncio.get_running_loop() is loop

class TestCase(AioHTTPTestCase):
    async def get_application(self):
        return make_app()

    async def test_client(self):
        assert (await self.client.get("/")).status == 200
"""
OPTIONS = {
    "none": [],
    "all loops": ["--aiohttp-loop=all", "-k", "test_loop or options"],
    "loops by name": ["--aiohttp-loop=uvloop,pyloop", "-k", "test_loop or options"],
    "debug": ["--aiohttp-enable-loop-debug", "--aiohttp-fast", "-k", "test_loop or options"],
}


def tell(pytester: pytest.Pytester, package: str, *arguments: str) -> list[tuple[str, ...]]:
    """Run the same tests with a package's plugin; give how each has ended and what it printed."""
    pytester.makeconftest(f'pytest_plugins = "{package}.pytest_plugin"')
    pytester.makepyfile(SAME.format(package=package))
    pytester.runpytest_subprocess(
        *("-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider"),
        *("--junitxml=told.xml", "-o", "junit_logging=system-out", *arguments),
    )
    root = ElementTree.parse(pytester.path / "told.xml").getroot()
    return [tuple(tell_case(case)) for case in root.iter("testcase")]


def tell_case(case: ElementTree.Element) -> Iterator[str]:
    yield case.attrib["name"]
    for child in case:
        yield child.tag
        told = child.attrib.get("message", child.text or "").replace("bascule", "aiohttp")
        # pytest may have rewritten the asserts of aiohttp's plugin.
        yield re.sub(r"\nassert [^\n]*", "", told)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_plugin_does_what_that_of_aiohttp_does(pytester: pytest.Pytester, options: str) -> None:
    theirs = tell(pytester, "aiohttp", *OPTIONS[options])
    ours = tell(pytester, "bascule", *OPTIONS[options])
    assert ours == theirs
    assert ours


def test_an_unknown_loop_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = "bascule.pytest_plugin"')
    result = run(pytester, "async def test(loop): pass", "--aiohttp-loop=none", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ValueError: Unknown loop 'none', available loops: ['pyloop'*"])


MORE = """
import pytest

class TestIt:
    @pytest.fixture
    async def made(self, loop):
        self.mark = 1
        return self

    async def test_method(self, made):
        assert made is self and self.mark == 1

@pytest.fixture
async def twice(loop):
    yield 1
    yield 2

def test_twice(twice):
    assert twice == 1

async def test_warning(loop):
    import warnings
    warnings.warn("mine")
"""


def test_the_plugin_does_more_than_that_of_aiohttp(pytester: pytest.Pytester) -> None:
    """Fixtures that are methods are bound to their tests; like fixtures that are not asynchronous
    they yield once; warnings that tests do not ask for are not lost."""
    pytester.makeconftest('pytest_plugins = "bascule.pytest_plugin"')
    pytester.makepyfile(MORE)
    result = pytester.runpytest_subprocess(*OPTIMIZED, "-p", "no:asyncio", "-p", "no:anyio")
    result.assert_outcomes(passed=3, errors=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*RuntimeError: The asynchronous fixture 'twice' yields more than once",
            "*test_the_plugin_does_more_than_that_of_aiohttp.py:22: UserWarning: mine",
        ]
    )
