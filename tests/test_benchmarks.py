"""The comparison of servers: that what it says can be believed; ``python -m tests.benchmarks``."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.answers import Wrong, check, find_end
from benchmarks.goals import GOALS, make_goal_table
from benchmarks.load import make_session
from benchmarks.measuring import Extent, Run, measure_all
from benchmarks.processes import Running, Setting
from benchmarks.ratios import ratio_of
from benchmarks.servers import SERVERS
from benchmarks.tables import BEGIN, END, make_full_tables, make_readme, write_between
from benchmarks.workloads import FILE_SIZE, ROUTES, WORKLOADS, Exchange

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc and has epoll")

RUN = Run(
    figures={
        "plaintext": {"aiohttp": [10.0, 20.0, 40.0], "bascule": [5.0, 30.0, 20.0], "sanic": [8.0]},
        "file": {"bascule": [100.0]},
    },
    failures={"*": {"limit-h11": "not installed: h11"}, "plaintext": {"sanic": "it was cut"}},
    memory={"upload": {"bascule": 3 * 2**20}},
    pairs={"varying": {"bascule/aiohttp": [0.5, 0.7, 0.6]}},
)


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    assert ratio_of(RUN, "plaintext", "bascule") == 0.5


@pytest.mark.parametrize(
    ("workload", "server"),
    [("file", "bascule"), ("plaintext", "sanic"), ("json", "bascule")],
    ids=["no base", "failed later", "not measured"],
)
def test_there_is_no_ratio_without_both_figures(workload: str, server: str) -> None:
    assert ratio_of(RUN, workload, server) is None


def test_tables_show_ratios_figures_goals_and_failures() -> None:
    text = make_full_tables(RUN)
    assert "| bascule | 0.50 (20.0) |" in text
    assert "| sanic |  |" in text
    assert "| bascule | (100.0) |" in text
    assert "| plaintext | 0.48 | 0.55 | 0.50 | enough |" in text
    assert "| 12 varying headers | 0.52 | 0.60 | 0.60 | enough |" in text
    assert "| upload 100 MB, growth of memory in MB | 4.00 | 4.00 | 3.00 | reached |" in text
    assert "- limit: h11, canned answer: not installed: h11" in text
    assert "- sanic, plaintext: it was cut" in text


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.484, "reached"),
        (0.486, "enough"),
        (0.554, "enough"),
        (0.556, "**missed**"),
        (None, "not measured"),
    ],
)
def test_a_goal_is_judged_by_what_is_shown(value: float | None, verdict: str) -> None:
    assert GOALS[0].judge(value) == verdict


def test_goals_are_about_what_is_measured() -> None:
    for each in GOALS:
        workload, servers = WORKLOADS[each.workload], {each.server, each.base} - {""}
        assert servers <= SERVERS.keys()
        assert not workload.only or servers <= {*workload.only}
        assert all(each.workload not in SERVERS[name].lacks.split() for name in servers)


def test_the_readme_gets_the_block_between_the_marks() -> None:
    block = make_readme(RUN, "picture.png")
    assert "![CPU per request of servers beside aiohttp's](picture.png)" in block
    assert make_goal_table(RUN) in block
    text = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert write_between(text, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"
    with pytest.raises(ValueError, match="lacks the marks"):
        write_between("no marks", "new")


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (_HEAD[:-1], 0),
        (_HEAD + b"hell", 0),
        (_HEAD + b"hello", len(_HEAD) + 5),
        (_HEAD + b"hello, world", len(_HEAD) + 5),
        (_CHUNKED + b"5\r\nhello\r\n", 0),
        (_CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", len(_CHUNKED) + 15),
        (_CHUNKED + b"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n", len(_CHUNKED) + 15),
        # What looks like the end is a part of the chunk.
        (_CHUNKED + b"9\r\n0\r\n\r\n", 0),
    ],
)
def test_the_end_of_an_answer_is_found(answer: bytes, end: int) -> None:
    assert find_end(answer) == end


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
        _HEAD.replace(b"5", b"6") + b"hello",
        _HEAD + b"hullo",
        _HEAD + b"hello!",
        _HEAD + b"hell",
        _CHUNKED + b"5\r\nhullo\r\n0\r\n\r\n",
        _CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
    ],
)
def test_a_wrong_answer_is_seen(answer: bytes) -> None:
    with pytest.raises(Wrong):
        check(answer, Exchange(b"", b"hello"))


@contextmanager
def _serving(answers: list[bytes]) -> Iterator[int]:
    """Serve one connection: an answer for each request, the last of them again and again."""
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def serve() -> None:
            client, _ = sock.accept()
            with client:
                left = [*answers]
                while client.recv(65536):
                    client.sendall(left.pop(0) if len(left) > 1 else left[0])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"world", b"warld", "warld"),
        (b"Hello", b"Hello, world!Hello", "bytes too many"),
        (b"200 OK", b"500 Ouch", "not a 200"),
    ],
)
def test_a_wrong_answer_under_load_is_no_request(old: bytes, new: bytes, message: str) -> None:
    """It comes behind the requests that warm up, where answers are looked at in passing."""
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!"
    workload = WORKLOADS["plaintext"]
    one = type(workload)(workload.title, workload.asks, connections=1)
    with _serving([good] * 10 + [good.replace(old, new)]) as port:
        session = make_session(one, port)
        try:
            with pytest.raises(Wrong, match=message):
                session.run(2)
        finally:
            session.close()


# Those that are sent to an application as it is for others too.
PLAIN = [name for name, each in WORKLOADS.items() if not each.variant and each.kind != "idle"]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    directory = tmp_path_factory.mktemp("benchmarks")
    (directory / "file").write_bytes(b"z" * FILE_SIZE)
    return Setting(directory, {})


@pytest.fixture(scope="module")
def server(setting: Setting) -> Iterator[Running]:
    running = Running("bascule", setting, routes=ROUTES)
    yield running
    running.end()


@pytest.mark.parametrize("name", PLAIN)
def test_a_workload_is_answered_as_it_expects(name: str, server: Running) -> None:
    make_session(WORKLOADS[name], server.port).close()


def test_a_run_gives_figures_and_failures(tmp_path: Path) -> None:
    servers = ["bascule", "sanic", "limit-protocol"]
    pythons = {"sanic": "/bin/false"}
    wanted = [
        ("plaintext", "bascule", "limit-protocol"),
        ("plaintext", "bascule", "sanic"),
        ("json", "bascule", "limit-protocol"),
    ]
    run = measure_all(["plaintext", "json"], servers, Extent(2, 3, 0.05), pythons, tmp_path, wanted)
    assert {name: {*each} for name, each in run.figures.items()} == {
        "plaintext": {"bascule", "limit-protocol"},
        "json": {"bascule"},
    }
    assert all(1 < figure < 1e6 for figure in run.figures["plaintext"]["bascule"])
    assert len(run.figures["plaintext"]["bascule"]) == 2
    assert {name: {*each} for name, each in run.pairs.items()} == {
        "plaintext": {"bascule/limit-protocol"}
    }
    ratios = run.pairs["plaintext"]["bascule/limit-protocol"]
    assert len(ratios) == 3
    assert all(0.1 < ratio < 100 for ratio in ratios)
    for workload in run.failures.values():
        assert workload == {"sanic": "it ended with status 1 before it listened"}


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.plot import draw

    draw(RUN, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
