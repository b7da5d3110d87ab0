"""Files under ASGI hosts that send them by themselves, message by message."""

import os
from pathlib import Path
from typing import Any

import pytest

from asgi.test_guest import Call, scope
from bascule import web
from support.files import BIG, TEN, file_app, make_root, put, static_app
from support.requests import request
from support.wire import serve

PATHSEND, ZEROCOPYSEND = "http.response.pathsend", "http.response.zerocopysend"
BODY, START = "http.response.body", "http.response.start"
PART = (b"range", b"bytes=1000-200999")


class FileCall(Call):
    """A call by a host that does with files what it is told to, while it is told."""

    sends_files = True

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        if message["type"] == PATHSEND:
            assert os.path.isabs(message["path"])
            message["data"] = Path(message["path"]).read_bytes()
        elif message["type"] == ZEROCOPYSEND:
            assert message["more_body"] is True
            descriptor = message["file"].fileno()
            message["data"] = os.pread(descriptor, message["count"], message["offset"])

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]

    @property
    def data(self) -> bytes:
        return b"".join(m.get("data", b"") + m.get("body", b"") for m in self.sent)


async def call(
    app: web.Application, *extensions: str, fields: Any = (), **changes: Any
) -> FileCall:
    """Call an application under a host with some extensions."""
    made = FileCall()
    offered = {name: {} for name in extensions}
    headers = [(b"host", b"h"), *fields]
    async with app:
        changed = scope(headers=headers, extensions=offered, **changes)
        await app(changed, made.receive, made.send)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


@pytest.mark.parametrize("extensions", [[PATHSEND], [PATHSEND, ZEROCOPYSEND]])
async def test_a_whole_file_goes_by_its_path(root: Path, extensions: list[str]) -> None:
    """With which the answer is whole: nothing follows."""
    for app, path in ((file_app(root / "big.bin"), "/"), (static_app(root), "/static/big.bin")):
        made = await call(app, *extensions, path=path)
        assert made.kinds == [START, PATHSEND]
        assert os.path.samefile(made.sent[1]["path"], root / "big.bin")
        assert (b"content-length", b"%d" % len(BIG)) in made.sent[0]["headers"]
        assert made.data == BIG


async def test_the_path_is_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the specification asks; the program may have gone elsewhere by the time it is used."""
    monkeypatch.chdir(root)
    made = await call(file_app("big.bin"), PATHSEND)
    assert os.path.isabs(made.sent[1]["path"])
    assert made.data == BIG


async def test_the_path_is_that_of_the_neighbour(root: Path) -> None:
    put(root, "big.bin.gz", BIG[::-1])
    made = await call(file_app(root / "big.bin"), PATHSEND, fields=[(b"accept-encoding", b"gzip")])
    assert os.path.samefile(made.sent[1]["path"], root / "big.bin.gz")
    assert made.data == BIG[::-1]


@pytest.mark.parametrize("extensions", [[ZEROCOPYSEND], [PATHSEND, ZEROCOPYSEND]])
async def test_a_part_goes_by_the_open_file(root: Path, extensions: list[str]) -> None:
    made = await call(file_app(root / "big.bin"), *extensions, fields=[PART])
    assert made.kinds == [START, ZEROCOPYSEND, BODY]
    assert made.data == BIG[1000:201000]
    assert made.sent[-1] == {"type": BODY, "body": b"", "more_body": False}
    assert made.sent[1]["file"].closed


async def test_a_whole_file_goes_open_where_paths_are_not_taken(root: Path) -> None:
    made = await call(file_app(root / "big.bin"), ZEROCOPYSEND)
    assert made.kinds == [START, ZEROCOPYSEND, BODY]
    assert (made.sent[1]["offset"], made.sent[1]["count"]) == (0, len(BIG))
    assert made.data == BIG


async def test_several_parts_go_one_behind_the_other(root: Path) -> None:
    field = (b"range", b"bytes=0-99999,150000-")
    made = await call(file_app(root / "big.bin", max_ranges=2), ZEROCOPYSEND, fields=[field])
    assert made.kinds == [START, BODY, ZEROCOPYSEND, BODY, ZEROCOPYSEND, BODY]
    length = dict(made.sent[0]["headers"])[b"content-length"]
    assert length == str(len(made.data)).encode()
    assert BIG[:100000] in made.data
    assert BIG[150000:] in made.data


@pytest.mark.parametrize("extensions", [[], ["http.response.push"]])
async def test_elsewhere_files_are_read(root: Path, extensions: list[str]) -> None:
    for fields, body in (([], BIG), ([PART], BIG[1000:201000])):
        made = await call(file_app(root / "big.bin", 50_000), *extensions, fields=fields)
        assert set(made.kinds) == {START, BODY}
        assert made.data == body
        assert max(len(message.get("body", b"")) for message in made.sent) == 50_000


async def test_files_are_read_where_the_host_may_be_hidden(root: Path) -> None:
    """Published middlewares drop messages that they do not know."""

    made = FileCall()

    async def send(message: Any) -> None:
        await made.send(message)

    app = file_app(root / "big.bin")
    async with app:
        await app(scope(extensions={PATHSEND: {}, ZEROCOPYSEND: {}}), made.receive, send)
    assert set(made.kinds) == {START, BODY}
    assert made.data == BIG


async def test_a_part_is_read_where_only_paths_are_taken(root: Path) -> None:
    made = await call(file_app(root / "big.bin"), PATHSEND, fields=[PART])
    assert set(made.kinds) == {START, BODY}
    assert made.data == BIG[1000:201000]


@pytest.mark.parametrize("name", ["ten.txt", "empty.txt"])
async def test_small_files_go_as_bytes(root: Path, name: str) -> None:
    made = await call(file_app(root / name), PATHSEND, ZEROCOPYSEND)
    assert made.kinds == [START, BODY]
    assert made.data == (root / name).read_bytes()


@pytest.mark.parametrize(
    ("method", "fields"), [("HEAD", []), ("GET", [(b"if-none-match", b"*")])], ids=["head", "304"]
)
async def test_no_file_goes_to_who_gets_no_body(root: Path, method: str, fields: Any) -> None:
    app = file_app(root / "big.bin")
    made = await call(app, PATHSEND, ZEROCOPYSEND, method=method, fields=fields)
    assert set(made.kinds) == {START, BODY}
    assert made.data == b""


async def test_chunks_are_read(root: Path) -> None:
    """Whoever asks for them wants no length, which a file would have."""

    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(root / "big.bin")
        response.enable_chunked_encoding()
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    made = await call(app, PATHSEND, ZEROCOPYSEND)
    assert set(made.kinds) == {START, BODY}
    assert made.data == BIG


async def test_a_file_that_has_grown_does_not_go_by_its_path(root: Path) -> None:
    """The host would send more than was promised."""

    async def grow(request: web.Request, response: web.StreamResponse) -> None:
        with open(root / "big.bin", "ab") as file:  # noqa: ASYNC230 - costs nothing here
            file.write(TEN)

    app = file_app(root / "big.bin")
    app.on_response_prepare.append(grow)
    made = await call(app, PATHSEND)
    assert set(made.kinds) == {START, BODY}
    assert made.data == BIG


@pytest.mark.parametrize("before", [True, False])
async def test_a_whole_file_among_other_bytes_does_not_go_by_its_path(
    root: Path, before: bool
) -> None:
    """With a path the answer would be over."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BIG) + 3)})
        await response.prepare(request)
        if before:
            await response.write(b"one")
        with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here
            assert await request._exchange.send_file(file, 0, len(BIG))
            if not before:
                await response.write(b"one")
            return response

    app = web.Application()
    app.router.add_get("/", handler)
    made = await call(app, PATHSEND, ZEROCOPYSEND)
    assert PATHSEND not in made.kinds
    assert made.data == (b"one" + BIG if before else BIG + b"one")


async def test_a_host_may_fail_to_send_a_file(root: Path) -> None:
    """That is how it says that the client has left."""
    for extension in (PATHSEND, ZEROCOPYSEND):
        ended: list[Exception] = []

        @web.middleware
        async def watch(request: web.Request, handler: Any) -> Any:
            response = await handler(request)
            try:
                await response.prepare(request)
            except ConnectionResetError as exc:
                ended.append(exc)  # noqa: B023 - called in this turn
                raise
            return response

        app = web.Application(middlewares=[watch])
        app.router.add_static("/static", root)
        made = FileCall(broken_after=1)
        async with app:
            changed = scope(extensions={extension: {}}, path="/static/big.bin")
            await app(changed, made.receive, made.send)
        assert [type(exc) for exc in ended] == [web.ClientConnectionResetError]
        assert made.kinds == [START]


async def test_both_sides_are_ours(root: Path) -> None:
    """Our application as guest on our server, which offers both, and says that it is the host."""
    told: list[bool] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BIG))})
        await response.prepare(request)
        with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here
            half = len(BIG) // int(request.query["parts"])
            for offset in range(0, len(BIG), half):
                told.append(await request._exchange.send_file(file, offset, half))
        return response

    app = static_app(root)
    app.router.add_get("/", handler)

    async def only_http(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("the application has been started already")
        await app(scope, receive, send)

    async with app, serve(only_http) as served, served.connect() as wire:
        for target in ("/?parts=1", "/?parts=2", "/static/big.bin"):
            await wire.send(request(target))
            assert (await wire.read_answer())[2] == BIG
        await wire.send(
            request("/static/big.bin", "Range: bytes=1000-200999")
            + request("/static/big.bin", method="HEAD")
        )
        assert (await wire.read_answer())[2] == BIG[1000:201000]
        _, fields = await wire.read_head()
        assert fields[b"content-length"] == str(len(BIG)).encode()
        await wire.send(request("/static/ten.txt"))
        assert (await wire.read_answer())[2] == TEN
    assert told == [True] * 3
