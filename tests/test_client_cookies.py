"""The cookies of a client in memory: RFC 6265, as far as a client without windows needs it."""

import pytest
from yarl import URL

from bascule.testing import CookieJar
from bascule.testing.cookies import parse_set_cookies

PAST = "Thu, 01 Jan 1970 00:00:00 GMT"
FUTURE = "Fri, 31 Dec 2100 00:00:00 GMT"


def jar_of(*fields: str, url: str = "http://a.example/x/y") -> CookieJar:
    jar = CookieJar()
    jar.take(fields, URL(url))
    return jar


def sent(jar: CookieJar, url: str) -> str:
    return jar.dump(URL(url))


@pytest.mark.parametrize(
    ("field", "origin", "url", "comes_back"),
    [
        # Hosts (section 5.1.3, 5.3 and 5.4).
        ("a=b", "http://a.example/", "http://a.example/", True),
        ("a=b", "http://a.example/", "http://a.example:81/", True),
        ("a=b", "http://a.example/", "http://A.EXAMPLE/", True),
        ("a=b", "http://a.example/", "http://b.a.example/", False),
        ("a=b", "http://b.a.example/", "http://a.example/", False),
        ("a=b", "http://localhost/", "http://localhost:8080/", True),
        ("a=b", "http://localhost/", "http://a.localhost/", False),
        ("a=b", "http://a.local/", "http://a.local/", True),
        ("a=b", "http://127.0.0.1/", "http://127.0.0.1/", True),
        ("a=b", "http://[::1]/", "http://[::1]/", True),
        ("a=b; Domain=a.example", "http://a.example/", "http://a.example/", True),
        ("a=b; Domain=a.example", "http://a.example/", "http://b.a.example/", True),
        ("a=b; Domain=.a.example", "http://c.a.example/", "http://b.a.example/", True),
        ("a=b; domain=A.Example", "http://a.example/", "http://b.a.example/", True),
        ("a=b; Domain=a.example", "http://a.example/", "http://ba.example/", False),
        ("a=b; Domain=a.example", "http://b.example/", "http://a.example/", False),
        ("a=b; Domain=b.a.example", "http://a.example/", "http://b.a.example/", False),
        ("a=b; Domain=example", "http://a.example/", "http://a.example/", False),
        ("a=b; Domain=localhost", "http://localhost/", "http://localhost/", True),
        ("a=b; Domain=127.0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", True),
        ("a=b; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", False),
        # Paths (section 5.1.4).
        ("a=b", "http://a.example/x/y", "http://a.example/x/z", True),
        ("a=b", "http://a.example/x/y", "http://a.example/x", True),
        ("a=b", "http://a.example/x/y", "http://a.example/xy", False),
        ("a=b", "http://a.example/x/y", "http://a.example/", False),
        ("a=b; Path=/", "http://a.example/x/y", "http://a.example/", True),
        ("a=b; Path=/p", "http://a.example/", "http://a.example/p/q", True),
        ("a=b; Path=/p", "http://a.example/", "http://a.example/pq", False),
        ("a=b; Path=/p/", "http://a.example/", "http://a.example/p/q", True),
        # Schemes.
        ("a=b; Secure", "https://a.example/", "https://a.example/", True),
        ("a=b; Secure", "https://a.example/", "http://a.example/", False),
        ("a=b; HttpOnly; SameSite=Strict", "https://a.example/", "http://a.example/", True),
        # Time (section 5.2.1, 5.2.2).
        (f"a=b; Expires={FUTURE}", "http://a.example/", "http://a.example/", True),
        (f"a=b; Expires={PAST}", "http://a.example/", "http://a.example/", False),
        ("a=b; Max-Age=100", "http://a.example/", "http://a.example/", True),
        ("a=b; Max-Age=0", "http://a.example/", "http://a.example/", False),
        ("a=b; Max-Age=-1", "http://a.example/", "http://a.example/", False),
        (f"a=b; Max-Age=100; Expires={PAST}", "http://a.example/", "http://a.example/", True),
        (f"a=b; Max-Age=0; Expires={FUTURE}", "http://a.example/", "http://a.example/", False),
    ],
)
def test_where_a_cookie_comes_back_to(field: str, origin: str, url: str, comes_back: bool) -> None:
    assert sent(jar_of(field, url=origin), url) == ("a=b" if comes_back else "")


@pytest.mark.parametrize(
    "value", ["", "b", '"b c"', '"b\\"c"', "b=c", "a,b", "%20", "{}", "\xfc", '"a\\073b"']
)
def test_a_value_comes_back_as_it_was_sent(value: str) -> None:
    assert sent(jar_of(f"a={value}"), "http://a.example/x/") == f"a={value}"


@pytest.mark.parametrize("field", ["", ";", "=b", "\x01=b; Path=x"])
def test_what_is_no_cookie_is_passed_over(field: str) -> None:
    jar = jar_of(field, "good=1")
    assert "good=1" in sent(jar, "http://a.example/x/")


def test_a_cookie_is_replaced_and_deleted_by_name_domain_and_path() -> None:
    jar = jar_of("a=1; Path=/", "b=2; Path=/", "a=3; Path=/x")
    assert sent(jar, "http://a.example/x/") == "a=3; a=1; b=2"
    jar.take(["a=4; Path=/"], URL("http://a.example/"))
    assert sent(jar, "http://a.example/") == "a=4; b=2"
    jar.take([f"a=; Path=/; Expires={PAST}"], URL("http://a.example/"))
    assert sent(jar, "http://a.example/x/") == "a=3; b=2"
    jar.take(["a=; Path=/x; Max-Age=0"], URL("http://a.example/"))
    assert sent(jar, "http://a.example/x/") == "b=2"


def test_the_jar_can_be_looked_into_and_cleared() -> None:
    jar = CookieJar()
    jar.update_cookies({"a": "1 2", "b": "3"}, URL("http://a.example/x/y"))
    jar.take(["c=4; Domain=b.example; Path=/"], URL("http://www.b.example/"))
    assert len(jar) == 3
    assert sorted((c.name, c.domain, c.path) for c in jar) == [
        ("a", "a.example", "/"),
        ("b", "a.example", "/"),
        ("c", ".b.example", "/"),
    ]
    found = jar.filter_cookies(URL("http://a.example/"))
    assert {name: morsel.value for name, morsel in found.items()} == {"a": "1 2", "b": "3"}
    assert sent(jar, "http://a.example/") == 'a="1 2"; b=3'
    jar.clear_domain("b.example")
    assert len(jar) == 2
    jar.update_cookies({"d": "5"}, URL("http://localhost/"))
    jar.clear_domain("localhost")
    assert len(jar) == 2
    jar.clear()
    assert (len(jar), sent(jar, "http://a.example/")) == (0, "")


def test_cookies_of_an_answer() -> None:
    cookies = parse_set_cookies(
        [
            'a="b c"; Path=/p; HttpOnly; SameSite=Lax; Partitioned; nonsense=1',
            f"b=; expires={PAST}; Max-Age=0",
            "no cookie",
            "b\x00d=1",
            "a b=2",
        ]
    )
    assert list(cookies) == ["a", "b"]
    assert (cookies["a"].value, cookies["a"].coded_value) == ("b c", '"b c"')
    assert (cookies["a"]["path"], cookies["a"]["httponly"]) == ("/p", True)
    assert cookies["a"]["samesite"] == "Lax"
    assert (cookies["b"].value, cookies["b"]["expires"], cookies["b"]["max-age"]) == ("", PAST, "0")
