"""`bascule routes`: the table it prints, and what it refuses."""

import signal
from pathlib import Path

import pytest

from support.programs import ROOT, program

SHOP = r"""
from functools import partial
from bascule import web

async def index(request): ...
async def item(request, *, detailed=False): ...
async def upload(request): ...
async def report(request): ...

class Basket(web.View):
    async def get(self): ...
    async def post(self): ...

class Counter:
    async def __call__(self, request): ...
    async def reset(self, request): ...

@web.middleware
async def check(request, handler):
    return await handler(request)

@web.middleware
async def measure(request, handler, *, unit):
    return await handler(request)

counter = Counter()
app = web.Application()
app.add_routes([
    web.get("/", index, name="index"),
    web.get("/items", index, allow_head=False),
    web.post("/items", item),
    web.get(r"/items/{number:\d{1,9}}", partial(item, detailed=True), name="item"),
    web.get("/größe/{path:.+}/{last}", index),
    web.view("/basket", Basket),
    web.route("*", "/count", counter),
    web.delete("/count/now", counter.reset),
    web.post("/both", upload),
    web.put("/both", upload),
    web.get("/both", upload),
])

admin = web.Application(middlewares=[check])
admin.router.add_post("/upload", upload, client_max_size=0, timeout=30, name="upload")
reports = web.Application()
reports.router.add_get("/{year:[0-9]{4}}", report, timeout=0.5)
resource = reports.router.add_resource("/all", middlewares=[check])
resource.add_route("GET", report, middlewares=[partial(measure, unit="s")])
reports.router.add_get("", report)
admin.add_subapp("/reports", reports)
app.add_subapp("/admin", admin)

api = web.Application()
api.router.add_get("/{id}", index)
old = web.Application()
old.router.add_get("/", index)
api.add_subapp("/v1", old)
app.add_domain("API.example.com", api)
other = web.Application()
other.router.add_get("", index)
inner = web.Application()
inner.router.add_head("/x", index)
other.add_domain("www.*", inner)
app.add_domain("*.example.com:8080", other)
app.router.add_get("/last", index)

async def start(app):
    raise AssertionError("not started for this")

app.on_startup.append(start)
"""

TABLE = r"""
METHOD                PATH                               NAME    HANDLER                  OPTIONS
GET, HEAD             /                                  index   shop.index
GET                   /items                             -       shop.index
POST                  /items                             -       shop.item
GET, HEAD             /items/{number:\d{1,9}}            item    partial(shop.item)
GET, HEAD             /gr%C3%B6%C3%9Fe/{path:.+}/{last}  -       shop.index
*                     /basket                            -       shop.Basket (GET, POST)
*                     /count                             -       shop.Counter object
DELETE                /count/now                         -       shop.Counter.reset
GET, HEAD, POST, PUT  /both                              -       shop.upload
POST                  /admin/upload                      upload  shop.upload              timeout=30, client_max_size=0
GET, HEAD             /admin/reports/{year:[0-9]{4}}     -       shop.report              timeout=0.5
GET                   /admin/reports/all                 -       shop.report              middlewares=[shop.check, partial(shop.measure)]
GET, HEAD             /admin/reports                     -       shop.report
GET, HEAD             api.example.com/{id}               -       shop.index
GET, HEAD             api.example.com/v1/                -       shop.index
GET, HEAD             *.example.com:8080/                -       shop.index
HEAD                  *.example.com:8080 & www.*/x       -       shop.index
GET, HEAD             /last                              -       shop.index
""".lstrip()  # noqa: E501 - as it is printed

SMALL = """
from bascule import web

class Own(web.AbstractResource):
    canonical = "/own"
    def __init__(self): super().__init__(name="own")
    def __iter__(self): return iter(self.routes)
    def __len__(self): return len(self.routes)
    def url_for(self): ...
    async def resolve(self, request): ...
    def add_prefix(self, prefix): ...
    def get_info(self): return {}
    def raw_match(self, path): return False

async def index(request): ...

own = Own()
own.routes = [web.ResourceRoute("GET", index, own)]
app = web.Application()
app.router.add_get("", index)
app.router.register_resource(own)
empty = web.Application()

async def make():
    return app

async def asgi(scope, receive, send): ...
"""
SMALL_TABLE = """
METHOD     PATH  NAME  HANDLER
GET, HEAD  /     -     small.index
GET        /own  own   small.index
""".lstrip()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "small.py").write_text(SMALL)
    (tmp_path / "promised.py").write_text("from small import make\napp = make()\n")
    (tmp_path / "broken.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "routed.py").write_text(
        "import warnings\n"
        "from bascule import abc, web\n"
        "class Router(abc.AbstractRouter):\n"
        "    async def resolve(self, request): ...\n"
        "    def __repr__(self): return '<mine>'\n"
        "warnings.simplefilter('ignore')\n"
        "app = web.Application(router=Router())\n"
    )
    return tmp_path


async def run(*arguments: str, cwd: Path) -> tuple[int, str]:
    async with program("-m", "bascule", *arguments, cwd=cwd) as running:
        status = await running.end()
    return status, running.output


TABLES = {
    "shop:app": TABLE,
    "small:app": SMALL_TABLE,
    "small:empty": "No routes.\n",
    "promised:app": SMALL_TABLE,  # a coroutine that gives it, as `bascule run` takes it
}


@pytest.mark.parametrize(("name", "table"), TABLES.items(), ids=TABLES)
async def test_it_prints_the_table(directory: Path, name: str, table: str) -> None:
    assert await run("routes", name, cwd=directory) == (0, table)


async def test_static_files_have_their_directory(directory: Path) -> None:
    (directory / "files.py").write_text(
        "from bascule import web\n"
        "async def options(request): ...\n"
        "inner = web.Application()\n"
        "inner.add_routes([web.static('/img', '.')])\n"
        "app = web.Application()\n"
        "resource = app.router.add_static('/static/', '.', name='static')\n"
        "resource.set_options_route(options)\n"
        "app.add_subapp('/inner', inner)\n"
    )
    table = f"""
METHOD     PATH          NAME    HANDLER
GET, HEAD  /static/*     static  files in {directory.resolve()}
OPTIONS    /static/*     static  files.options
GET, HEAD  /inner/img/*  -       files in {directory.resolve()}
""".lstrip()
    assert await run("routes", "files:app", cwd=directory) == (0, table)


async def test_it_looks_for_the_module_where_it_is_told_to(directory: Path) -> None:
    arguments = ["routes", "--app-dir", str(directory), "small:app"]
    assert await run(*arguments, cwd=ROOT) == (0, SMALL_TABLE)


ERRORS = {
    "small:asgi": "small:asgi: only a bascule.web.Application has a route table, got <function",
    "small:__name__": "only a bascule.web.Application has a route table, got 'small'",
    "small:nothing": "module 'small' has no attribute 'nothing'",
    "small": "'small' is not of the form module:attribute",
    "no_such_module:app": "no module 'no_such_module' (looked in ",
    "routed:app": "routed:app: the router <mine> does not list its resources",
}


@pytest.mark.parametrize(("name", "message"), ERRORS.items(), ids=ERRORS)
async def test_errors_are_one_line(directory: Path, name: str, message: str) -> None:
    status, output = await run("routes", name, cwd=directory)
    assert (status, output.count("\n")) == (2, 1)
    assert output.startswith("bascule: error: ")
    assert message in output


async def test_an_error_inside_the_module_is_shown(directory: Path) -> None:
    status, output = await run("routes", "broken:app", cwd=directory)
    assert status == 1
    assert "No module named 'not_installed_anywhere'" in output


async def test_the_help_tells_of_it(tmp_path: Path) -> None:
    for arguments in (["--help"], ["run", "--help"]):
        status, output = await run(*arguments, cwd=tmp_path)
        assert (status, output[:15]) == (0, "usage: bascule ")
        assert "`bascule routes module:app`" in " ".join(output.split())
    status, output = await run("routes", "--help", cwd=tmp_path)
    assert (status, output[:22]) == (0, "usage: bascule routes ")
    assert "routes that it adds while it starts up are not shown" in " ".join(output.split())


async def test_a_module_may_be_called_like_a_command(directory: Path) -> None:
    """The first word is the command; what holds a colon is none."""
    (directory / "routes.py").write_text(SMALL)
    assert await run("routes", "routes:empty", cwd=directory) == (0, "No routes.\n")
    for words in (["routes:app"], ["run", "routes:app"]):
        async with program("-m", "bascule", *words, "--port", "0", cwd=directory) as running:
            await running.url()
            assert await running.end(signal.SIGTERM) == 0
