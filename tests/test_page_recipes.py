"""The recipes of pages, logins, cookies and files, as browsers and scripts would use them.

Each runs on our server, as a guest under uvicorn, and on aiohttp, whose API is all that they use.
"""

import re
import struct
from pathlib import Path

import httpx
import pytest

from support.programs import ROOT
from support.recipes import EVERY_WAY, JSON, Start, as_guest, as_program

HTML = "text/html; charset=utf-8"
LOGIN = {"name": "ann", "password": "secret"}


@pytest.fixture(params=EVERY_WAY)
def start(request: pytest.FixtureRequest) -> Start:
    return EVERY_WAY[request.param]


@pytest.mark.parametrize(
    "name", ["cookies", "file_ranges", "html_and_json", "login", "static_site"]
)
async def test_each_runs_as_a_program(name: str) -> None:
    async with as_program(name) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<title>" in page.text


# -- HTML and JSON


async def test_pages_link_to_one_another_and_are_html(start: Start) -> None:
    async with start("html_and_json") as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, HTML)
        links = re.findall('href="(.*?)">(.*?)</a>', page.text)
        assert ("/planets/Mars", "Mars") in links
        answers = [await client.get(url) for url, _ in links]
    assert all("Its radius is" in answer.text for answer in answers)


async def test_a_search_finds_parts_of_names(start: Start) -> None:
    async with start("html_and_json") as client:
        page = await client.get("/", params={"part": "AR"})
    assert re.findall("<a .*?>(.*?)</a>", page.text) == ["Earth", "Mars"]


async def test_nothing_from_outside_becomes_html(start: Start) -> None:
    hostile = '"><script>alert(1)</script>'
    quoted = "&lt;script&gt;"
    async with start("html_and_json") as client:
        page = await client.get("/", params={"part": hostile})
        missing = await client.get("/planets/<script>")
    for answer in (page, missing):
        assert "<script>" not in answer.text
        assert quoted in answer.text
    assert 'value="&quot;&gt;' in page.text
    assert (missing.status_code, missing.headers["content-type"]) == (404, HTML)


async def test_the_same_data_is_there_as_json(start: Start) -> None:
    async with start("html_and_json") as client:
        names = [each["name"] for each in (await client.get("/api/planets")).json()]
        mars = await client.get("/api/planets/Mars")
        pluto = await client.get('/api/planets/Pluto"')
    assert names == ["Mercury", "Venus", "Earth", "Mars", "Jupiter"]
    assert mars.json() == {"name": "Mars", "radius": 3390}
    assert (pluto.status_code, pluto.json()) == (404, {"error": 'Pluto" is no planet'})
    assert mars.headers["content-type"] == pluto.headers["content-type"] == JSON["content-type"]


# -- logins


def tell_session(answer: httpx.Response) -> str:
    """Check how a session is kept; give its token."""
    (cookie,) = answer.headers.get_list("set-cookie")
    value, *attributes = cookie.split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax"]
    match = re.fullmatch(r"session=([\w-]{43})", value)
    assert match
    return match[1]


async def test_a_form_logs_in(start: Start) -> None:
    async with start("login") as client:
        assert "<form" in (await client.get("/")).text
        answer = await client.post("/login", data=LOGIN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        first = tell_session(answer)
        assert (await client.get("/")).text == "Hello, ann!"
        assert tell_session(await client.post("/login", data=LOGIN)) != first


async def test_json_logs_in(start: Start) -> None:
    async with start("login") as client:
        answer = await client.post("/api/login", json=LOGIN)
        assert (answer.status_code, answer.json()) == (200, {"message": "Welcome."})
        tell_session(answer)
        assert (await client.get("/")).text == "Hello, ann!"


async def test_a_forged_session_is_none(start: Start) -> None:
    async with start("login") as client:
        for cookie in ("session=", "session=ann", "session=" + "a" * 43):
            assert "<form" in (await client.get("/", headers={"Cookie": cookie})).text


NAMELESS = (400, "A login has a name and a password.")
WRONG = (401, "Wrong name or password.")
REFUSED_LOGINS = {
    "a wrong password": ({"name": "ann", "password": "Secret"}, WRONG),
    "an empty password": ({"name": "ann", "password": ""}, WRONG),
    "a stranger": ({"name": "eve", "password": "secret"}, WRONG),
    "a stranger without a password": ({"name": "eve", "password": ""}, WRONG),
    "no password": ({"name": "ann"}, NAMELESS),
    "no name": ({"password": "secret"}, NAMELESS),
    "nothing": ({}, NAMELESS),
}


async def test_a_refused_login_is_told_by_form_and_by_json(start: Start) -> None:
    async with start("login") as client:
        for what, (login, (status, message)) in REFUSED_LOGINS.items():
            form = await client.post("/login", data=login)
            assert (form.status_code, form.headers["content-type"]) == (status, HTML), what
            assert f'<p role="alert">{message}</p>' in form.text
            document = await client.post("/api/login", json=login)
            assert (document.status_code, document.json()) == (status, {"message": message}), what
        assert not client.cookies


BAD_LOGINS = {
    b"": (400, "This is no JSON."),
    b'{"name"': (400, "This is no JSON."),
    b"[" * 4000: (400, "This is no JSON."),
    b"\xff\xfe\xff": (400, "This is no JSON."),
    b"[]": NAMELESS,
    b"null": NAMELESS,
    b'{"name": ["ann"], "password": "secret"}': NAMELESS,
    b'{"name": "ann", "password": null}': NAMELESS,
    b'{"name": "\\ud800", "password": "\\ud800"}': WRONG,
    b'"' + b"x" * 4096 + b'"': (413, "Maximum request body size 4096 exceeded."),
}


async def test_json_that_is_no_login_is_told(start: Start) -> None:
    async with start("login") as client:
        for body, (status, message) in BAD_LOGINS.items():
            answer = await client.post("/api/login", content=body)
            assert (answer.status_code, answer.json()) == (status, {"message": message}), body


async def test_a_form_keeps_the_name_and_only_that(start: Start) -> None:
    async with start("login") as client:
        answer = await client.post("/login", data={"name": '"><b>', "password": "hidden"})
        assert 'value="&quot;&gt;&lt;b&gt;"' in answer.text
        assert "hidden" not in answer.text
        file = await client.post("/login", files={"name": ("<b>", b"ann"), "password": b"x"})
    assert file.status_code == 400
    assert "<b>" not in file.text


# -- cookies


async def test_visits_are_counted_until_they_are_forgotten(start: Start) -> None:
    async with start("cookies") as client:
        for number in (1, 2, 3):
            answer = await client.get("/")
            assert f"Visits of yours: {number}." in answer.text
            (cookie,) = answer.headers.get_list("set-cookie")
            kept = "HttpOnly; Max-Age=31536000; Path=/; SameSite=Lax"
            assert cookie == f"visits={number}; {kept}"
        answer = await client.post("/forget")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert not client.cookies
        assert "Visits of yours: 1." in (await client.get("/")).text


async def test_a_name_is_kept_whatever_it_is_made_of(start: Start) -> None:
    async with start("cookies") as client:
        assert "Hello, stranger!" in (await client.get("/")).text
        answer = await client.post("/name", data={"name": ' Ü;"<b>, =%41 '})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Hello, Ü;&quot;&lt;b&gt;, =%41!" in (await client.get("/")).text
        for data in ({"name": " "}, {"name": "x" * 41}, {}):
            answer = await client.post("/name", data=data)
            assert answer.status_code == 400
            assert answer.text == "A name has 1 to 40 characters.\n"


async def test_a_count_that_was_tampered_with_starts_again(start: Start) -> None:
    async with start("cookies") as client:
        for value in ("x", "-1", "1e9", "9" * 5000, '""', "\\u0662"):
            answer = await client.get("/", headers={"Cookie": f"visits={value}"})
            assert "Visits of yours: 1." in answer.text, value


@pytest.mark.parametrize(("name", "path"), [("login", "/login"), ("cookies", "/name")])
async def test_over_tls_cookies_are_kept_to_it(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is in front of uvicorn tells it of TLS."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    async with as_guest(name) as client:
        fields = {"X-Forwarded-Proto": "https"}
        answer = await client.post(path, data=LOGIN, headers=fields)
    (cookie,) = answer.headers.get_list("set-cookie")
    assert "Secure" in cookie.split("; ")


# -- a static site


async def test_a_site_is_served_with_its_index(start: Start) -> None:
    site = ROOT / "examples/site"
    async with start("static_site") as client:
        index = await client.get("/")
        style = await client.get("/style.css")
        head = await client.head("/")
    assert index.content == (site / "index.html").read_bytes()
    assert style.content == (site / "style.css").read_bytes()
    assert [each.headers["content-type"] for each in (index, style)] == ["text/html", "text/css"]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(index.content))


async def test_a_file_that_a_cache_has_is_not_sent_again(start: Start) -> None:
    async with start("static_site") as client:
        style = await client.get("/style.css")
        assert style.headers["cache-control"] == "no-cache"
        again = await client.get("/style.css", headers={"If-None-Match": style.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


OUTSIDE = ["/nowhere", "/../static_site.py", "/%2e%2e/static_site.py", "/..%2fstatic_site.py"]


async def test_nothing_outside_a_site_is_found(start: Start) -> None:
    async with start("static_site") as client:
        for target in OUTSIDE:
            request = client.build_request("GET", "/")
            request.url = request.url.copy_with(raw_path=target.encode())
            answer = await client.send(request)
            assert answer.status_code == 404
            # Of which browsers make a page.
            assert answer.headers["content-type"].startswith("text/html")


# -- ranges of a file


async def test_a_player_gets_the_range_that_it_asks_for(start: Start) -> None:
    async with start("file_ranges") as client:
        assert '<audio controls src="/recording">' in (await client.get("/")).text
        whole = await client.get("/recording")
        size = len(whole.content)
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-type"] in ("audio/x-wav", "audio/wav", "audio/vnd.wave")
        # A file of RIFF says its length, and that of a second.
        assert struct.unpack("<I", whole.content[4:8]) == (size - 8,)
        assert struct.unpack("<I", whole.content[28:32]) == (8000,)
        for asked, first, last in (
            ("0-3", 0, 3),
            ("400000-", 400_000, size - 1),
            ("-1000", size - 1000, size - 1),
        ):
            part = await client.get("/recording", headers={"Range": f"bytes={asked}"})
            assert part.status_code == 206
            assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
            assert part.content == whole.content[first : last + 1]
        beyond = await client.get("/recording", headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.content) == (416, b"")
        assert beyond.headers["content-range"] == f"bytes */{size}"


async def test_a_recording_can_be_chosen(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "song.mp3"
    file.write_bytes(b"ID3 and more")
    monkeypatch.setenv("RECORDING", str(file))
    async with start("file_ranges") as client:
        part = await client.get("/recording", headers={"Range": "bytes=4-6"})
    assert (part.status_code, part.content) == (206, b"and")
    assert part.headers["content-type"] == "audio/mpeg"
