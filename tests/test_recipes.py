"""The recipes among the examples, each run as a program and as a guest under uvicorn."""

import asyncio
import os
import re
import signal

import httpx
import pytest

from support.programs import ROOT, program
from support.recipes import JSON, PLAIN, WAYS, Start, Step, as_guest, on_aiohttp, run_program, take


@pytest.fixture(params=WAYS)
def start(request: pytest.FixtureRequest) -> Start:
    return WAYS[request.param]


def error(status: int, message: str, **fields: str) -> tuple[int, str, dict[str, str]]:
    text = f'{{"status": {status}, "error": "{message}"}}'
    return status, text, JSON | {name.replace("_", "-"): value for name, value in fields.items()}


TOKEN = {"Authorization": "Bearer t"}
ADMIN = {"X-Role": "admin"}
SITE = PLAIN | {"x-site": "The site"}
REFUSED = {"www-authenticate": 'Basic realm="visits"'} | PLAIN
ANN = {"Authorization": "Basic YW5uOnNlY3JldA=="}  # ann:secret
BOB = {"Authorization": "basic Ym9iOmdlaGVpbQ=="}  # bob:geheim

RECIPES = {
    "hello": [
        Step("GET /", 200, "Hello, world!\n"),
        Step("GET /you", 200, "Hello, you!\n"),
        Step("HEAD /you", 200),
        Step("GET /%C3%BCber%2F", 200, "Hello, über/!\n"),
        Step("GET /you/too", 404, "404: Not Found"),
        Step("POST /", 405, "405: Method Not Allowed", PLAIN | {"allow": "GET,HEAD"}),
    ],
    "regex_path": [
        Step("GET /orders/7", 200, "Order 7\n"),
        Step("GET /orders/%37", 200, "Order 7\n"),
        Step("GET /orders/x", 404, "404: Not Found"),
        Step("GET /orders/7x", 404, "404: Not Found"),
        Step("GET /files/2024/a/b%20c.txt", 200, "a/b c.txt of 2024\n"),
        Step("GET /files/24/a", 404, "404: Not Found"),
        Step("PUT /orders/7", 405, "405: Method Not Allowed", PLAIN | {"allow": "GET,HEAD"}),
    ],
    "route_table": [
        Step("GET /notes", 200, "[]", JSON),
        Step("POST /notes", 201, "", {"location": "/notes/0"}, b"buy milk"),
        Step("GET /notes", 200, '["buy milk"]', JSON),
        Step("HEAD /notes", 200, "", JSON),
        Step("GET /notes/0", 200, "buy milk"),
        Step("GET /notes/1", 404, "There is no such note.\n"),
        Step("PUT /notes", 405, "405: Method Not Allowed", PLAIN | {"allow": "GET,HEAD,POST"}),
    ],
    "class_views": [
        Step("GET /colours/rose", 404, "404: Not Found"),
        Step("PUT /colours/rose", 204, "", {}, b"red"),
        Step("GET /colours/rose", 200, "red"),
        Step("GET /colours", 200, '{"rose": "red"}', JSON),
        Step("DELETE /colours", 204, "", {}),
        Step("GET /colours", 200, "{}", JSON),
        Step("DELETE /colours/x", 405, "405: Method Not Allowed", PLAIN | {"allow": "GET,PUT"}),
        Step("HEAD /colours", 405, "", PLAIN | {"allow": "DELETE,GET"}),
    ],
    "redirect": [
        Step("GET /", 302, "302: Found", PLAIN | {"location": "/cities/Oslo"}),
        Step("GET /cities/Oslo", 200, "Oslo, from the start\n"),
        Step(
            "GET /search?city=new%20york",
            302,
            "302: Found",
            PLAIN | {"location": "/cities/New%20York?from=the+search"},
        ),
        Step("GET /cities/New%20York?from=the+search", 200, "New York, from the search\n"),
        Step(
            "GET /search?city=%C5%81%C3%B3d%C5%BA",
            302,
            "302: Found",
            PLAIN | {"location": "/cities/%C5%81%C3%B3d%C5%BA?from=the+search"},
        ),
        Step("GET /search?city=atlantis", 404, "There is no such city.\n"),
        Step("GET /search", 404, "There is no such city.\n"),
    ],
    "server_error": [
        Step("GET /", 500, "The gauge cannot be read, try later.\n", PLAIN | {"retry-after": "60"}),
    ],
    "shared_data": [
        Step("GET /", 401, "401: Unauthorized", REFUSED),
        Step("GET /", 200, "ann: 1 of 1 visits\n", sent=ANN),
        Step("GET /", 200, "bob: 1 of 2 visits\n", sent=BOB),
        Step("GET /", 200, "ann: 2 of 3 visits\n", sent=ANN),
        *[
            Step("GET /", 401, "401: Unauthorized", REFUSED, sent={"Authorization": value})
            for value in (
                "Basic YW5uOndyb25n",  # ann:wrong
                "Basic ZXZlOg==",  # eve: without a password, whom nobody knows
                "Basic YW5u",
                "Basic !!",
                "Basic /w==",  # not UTF-8
                b"Basic \xff",
                "Bearer YW5uOnNlY3JldA==",
            )
        ],
        Step("GET /nowhere", 401, "401: Unauthorized", REFUSED),
        Step("GET /nowhere", 404, "404: Not Found", sent=ANN),
    ],
    "cleanup_contexts": [
        Step("GET /", 200, '{"lines": 0}', JSON),
        Step("POST /", 202, "", {}, b"one"),
        Step("POST /", 202, "", {}, b"two"),
        Step("GET /", 200, '{"lines": 2}', JSON),
    ],
    "json_errors": [
        Step("GET /nowhere", *error(404, "Not Found")),
        Step("GET /notes", *error(405, "Method Not Allowed", allow="POST")),
        Step("POST /notes", *error(401, "Unauthorized", www_authenticate="Bearer"), b"{}"),
        Step(
            "POST /notes",
            *error(401, "Unauthorized", www_authenticate="Bearer"),
            sent={"Authorization": b"Bearer \xff"},
        ),
        Step("GET /report", *error(500, "Internal Server Error")),
        Step("POST /notes", 201, '{"notes": 1}', JSON, b'{"text": "x"}', TOKEN),
        Step("GET /report", *error(504, "Gateway Timeout")),
        *[
            Step("POST /notes", *error(422, message), body, TOKEN)
            for body, message in (
                (b"", "A note is a JSON object with a text"),
                (b"[" * 1024, "A note is a JSON object with a text"),
                (b"\xff\xff", "A note is a JSON object with a text"),
                (b'["text"]', "A note is a JSON object with a text"),
                (b'{"text": 1}', "The text of a note is a string"),
            )
        ],
        Step(
            "POST /notes",
            *error(413, "Maximum request body size 1024 exceeded."),
            b"x" * 1025,
            TOKEN,
        ),
    ],
    "nested_apps": [
        Step("GET /", 200, "Welcome to The site\n", SITE),
        Step("GET /nowhere", 404, "404: Not Found", SITE),
        Step("GET /admin/", 403, "For admins only.\n", SITE),
        Step("GET /admin/nowhere", 403, "For admins only.\n", SITE),
        Step("GET /admin/nowhere", 404, "404: Not Found", SITE, sent=ADMIN),
        Step("GET /admin/", 200, "The site: 0 messages\n", SITE, sent=ADMIN),
        Step(
            "POST /admin/messages",
            303,
            "303: See Other",
            SITE | {"location": "/admin/"},
            b"hello",
            ADMIN,
        ),
        Step("GET /admin/", 200, "The site: 1 messages\n", SITE, sent=ADMIN),
    ],
}


@pytest.mark.parametrize("name", RECIPES)
async def test_recipe(start: Start, name: str) -> None:
    async with start(name) as client:
        for step in RECIPES[name]:
            assert await take(client, step) == step


# They use what aiohttp.web has not: `web.Handler`, exception handlers and limits of routes.
BEYOND_AIOHTTP = {"json_errors", "nested_apps", "shared_data"}


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - BEYOND_AIOHTTP))
async def test_recipe_on_aiohttp(name: str) -> None:
    async with on_aiohttp(name) as client:
        for step in RECIPES[name]:
            assert await take(client, step) == step


def test_every_example_of_one_file_is_run() -> None:
    names = {path.stem for path in ROOT.glob("examples/*.py")}
    with_tests_of_their_own = {
        "cookies",
        "dashboard",
        "embedded",
        "file_ranges",
        "html_and_json",
        "login",
        "mounted",
        "request_id",
        "reverse_proxy",
        "static_site",
        "test_notes",
        "upload_mp3",
    }
    assert names == RECIPES.keys() | with_tests_of_their_own


async def test_the_tests_of_an_application_pass_without_plugins() -> None:
    plain = ["-c", os.devnull, "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider"]
    async with program("-m", "pytest", "-q", *plain, "examples/test_notes.py") as running:
        assert await running.end() == 0
    assert "3 passed" in running.output


async def test_a_bug_is_logged_and_not_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async with start("server_error") as client:
        answer = await client.get("/bug")
    assert answer.status_code == 500
    if start is as_guest:  # the program is run with -X dev, and so shows a traceback
        assert answer.text == "500 Internal Server Error\n\nServer got itself in trouble"
        assert caplog.messages == ["Error handling request from 127.0.0.1"]


async def test_contexts_are_left_behind_the_last_request() -> None:
    async with run_program("cleanup_contexts") as (client, running):
        lines = [b"%d" % number for number in range(20)]
        await asyncio.gather(*(client.post("/", content=line) for line in lines))
        assert await running.end(signal.SIGINT) == 0
    assert running.output.endswith("\nLines at the end: 20\n")


GOOD_IDS = ["mine", "0b9d5f4e-8f0e-4c06-a5f5-d8e5f5b3a9ce", "a/b+c=", "x" * 64]
BAD_IDS: list[str | bytes] = [
    "",
    "x" * 65,
    "a b",
    "a\tb",
    '"',
    "%0A",
    "[mine]",
    b"a\x80b",
    "ü".encode(),
]


async def test_an_id_is_taken_from_the_client_if_it_is_harmless(start: Start) -> None:
    async with start("request_id") as client:
        for good in GOOD_IDS:
            answer = await client.get("/", headers={"X-Request-ID": good})
            assert (answer.text, answer.headers["X-Request-ID"]) == ("Hello!\n", good)
        for bad in BAD_IDS:
            answer = await client.get("/", headers=httpx.Headers({"X-Request-ID": bad}))
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(("target", "status"), [("/", 200), ("/bug", 500), ("/nowhere", 404)])
async def test_every_answer_has_an_id(start: Start, target: str, status: int) -> None:
    async with start("request_id") as client:
        answers = [await client.get(target), await client.get(target)]
    assert [answer.status_code for answer in answers] == [status, status]
    ids = {answer.headers["X-Request-ID"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


async def test_every_line_of_a_request_has_its_id() -> None:
    """Of requests side by side, and of requests behind one another on a connection."""
    ids = [f"{number}{path}" for number in range(10) for path in ("/", "/bug", "/nowhere")]
    async with run_program("request_id") as (client, running):
        for half in (ids[:15], ids[15:]):
            requests = [client.get(each[1:], headers={"X-Request-ID": each}) for each in half]
            await asyncio.gather(*requests)
        assert await running.end(signal.SIGTERM) == 0
    line = re.compile(r"^\S+ \S+ (?:INFO|ERROR) \[(\S+)\] (\S+): (.*?)(?: |$)", re.MULTILINE)
    lines: dict[str, list[tuple[str, str]]] = {}
    for number, name, word in line.findall(running.output):
        lines.setdefault(number, []).append((name, word))
    lines.pop("-", None)  # of asyncio's debug mode
    assert lines.keys() == set(ids)
    access = ("bascule.access", "127.0.0.1")
    expected = {
        "/": [("examples.request_id", "Saying"), ("examples.request_id", "Said"), access],
        "/bug": [("bascule.server", "Error"), access],
        "/nowhere": [access],
    }
    assert lines == {each: expected[each[1:]] for each in ids}
