"""The Cookie field: what browsers send, and what anybody may."""

import resource
import subprocess
import sys
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

import bascule
from bascule.wire.cookies import parse_cookies

# Read alike by aiohttp (run beside us below).
ALIKE = [
    ("", {}),
    ("a=b", {"a": "b"}),
    ("a=b; c=d", {"a": "b", "c": "d"}),
    ("a=b;c=d", {"a": "b", "c": "d"}),
    ("  a =  b ;\tc\t= d ", {"a": "b", "c": "d"}),
    ("a=b;", {"a": "b"}),
    ("; a=b", {"a": "b"}),
    (";;a=b;;c=d", {"a": "b", "c": "d"}),
    ("a=b ; ; c=d", {"a": "b", "c": "d"}),
    (";;;", {}),
    ("a=b; a=c", {"a": "c"}),
    ("a=b; A=c", {"a": "b", "A": "c"}),
    ("a=", {"a": ""}),
    ("a=;b=c", {"a": "", "b": "c"}),
    ("a=b=c", {"a": "b=c"}),
    ("a==b", {"a": "=b"}),
    ("=b", {}),
    ("=b; c=d", {"c": "d"}),
    ("a=b; =c; d=e", {"a": "b", "d": "e"}),
    ('"a"=b', {}),
    ("a=b,c=d", {"a": "b,c=d"}),
    # a name alone
    ("a", {"a": ""}),
    ("a; b=c", {"a": "", "b": "c"}),
    ("a=b; c", {"a": "b", "c": ""}),
    ("a=b; c ;d=e", {"a": "b", "c": "", "d": "e"}),
    ("HttpOnly; a=b", {"HttpOnly": "", "a": "b"}),
    ("a b=c", {"a": "", "b": "c"}),
    # half a name is none
    ("a,b=c", {}),
    ('a"b=c', {}),
    ("a=good; a,b=c", {"a": "good"}),
    ("a=b; expires=Wed, 09 Jun 2021 10:18:14 GMT; c=d", None),
    ("$Version=1; a=b; $Path=/", {"$Version": "1", "a": "b", "$Path": "/"}),
    ("path=/; a=b; max-age=3", {"path": "/", "a": "b", "max-age": "3"}),
    ("__Host-a=b", {"__Host-a": "b"}),
    ("a[0]=b; c:d=e; f@g=h; {i}=j; k/l=m; n?o=p", None),
    ("a(b)=c; d<e=f; g|h=i; j~k=l; m'n=o; p!q=r", None),
    ("a=\xe9", {"a": "\xe9"}),
    ("a=%20+b", {"a": "%20+b"}),
    ("a='b'", {"a": "'b'"}),
    ("a=b&c=d", {"a": "b&c=d"}),
    ('a={"k":1}; b=c', {"a": '{"k":1}', "b": "c"}),
    # quotes
    ('a="b"', {"a": "b"}),
    ('a=""', {"a": ""}),
    ('a=" "', {"a": " "}),
    ('a= "b" ; c=d', {"a": "b", "c": "d"}),
    ('a="b;c"; d=e', {"a": "b;c", "d": "e"}),
    ('a=b;c="d;e";f=g', {"a": "b", "c": "d;e", "f": "g"}),
    (r'a="b\"c"', {"a": 'b"c'}),
    (r'a="\\"', {"a": "\\"}),
    (r'a="b\q"', {"a": "bq"}),
    (r'a="b\073c"', {"a": "b;c"}),
    (r'a="\303\251"', {"a": "\xc3\xa9"}),
    (r'a="\0"', {"a": "0"}),
    (r'a="\777"', {"a": "777"}),
    (r'a="\377\400"', {"a": "\xff400"}),
    (r"a=b\073c", {"a": r"b\073c"}),
    (r"a=\"b\"", {"a": r"\"b\""}),
    ('a="b', {"a": '"b'}),
    ('a="b; c=d', {"a": '"b', "c": "d"}),
    ('a="b; c="d', {"a": '"b', "c": '"d'}),
    ('a="b\\', {"a": '"b\\'}),
    ('a=b"c', {"a": 'b"c'}),
    ('a=b"c"', {"a": 'b"c"'}),
    ('a="b"c', {"a": '"b"c'}),
    ('a="b"c; d=e', {"a": '"b"c', "d": "e"}),
    # controls; none comes through `check_head`, but an ASGI host may let one pass
    ("a=\x7f", None),
    ("a\x01=b; c=d", {"c": "d"}),
    ("a=b; c\x01d=e; f=g", {"a": "b", "f": "g"}),
]

# Read otherwise by aiohttp: ours, then aiohttp's.
APART = [
    # a space inside of a value belongs to it (section 5.4); it ends the pair for aiohttp
    ("a=b c", {"a": "b c"}, {"a": "b", "c": ""}),
    ("a=b\tc", {"a": "b\tc"}, {"a": "b", "c": ""}),
    ("a=b, c=d", {"a": "b, c=d"}, {"a": "b,", "c": "d"}),
    ('a="b" c="d"', {"a": '"b" c="d"'}, {"a": "b", "c": "d"}),
    # only space and tab are space
    ("\x0ba=b", {}, {"a": "b"}),
    ("a=b\x0c", {"a": "b\x0c"}, {"a": "b"}),
    ("a=\xa0b\xa0", {"a": "\xa0b\xa0"}, {"a": "b"}),
    ("a=b\u3000; c=d", {"a": "b\u3000", "c": "d"}, {"a": "b", "c": "d"}),
    # names may hold what is no token
    ("\xe9=b", {"\xe9": "b"}, {}),
    ("a\\b=c", {"a\\b": "c"}, {}),
    # an escaped quote does not close
    (r'a="x\"', {"a": r'"x\"'}, {"a": "x\\"}),
]


def ask_aiohttp(value: str) -> dict[str, str]:
    return dict(make_mocked_request("GET", "/", headers={"Cookie": value}).cookies)


@pytest.mark.parametrize(("value", "cookies"), ALIKE)
def test_cookies_are_read_as_in_aiohttp(value: str, cookies: dict[str, str] | None) -> None:
    assert parse_cookies(value) == ask_aiohttp(value)
    if cookies is not None:
        assert parse_cookies(value) == cookies


@pytest.mark.parametrize(("value", "ours", "theirs"), APART)
def test_cookies_are_read_otherwise_than_in_aiohttp(
    value: str, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    assert parse_cookies(value) == ours
    assert ask_aiohttp(value) == theirs


def test_the_order_is_kept() -> None:
    assert list(parse_cookies("b=1; a=2; c=3; b=4")) == ["b", "a", "c"]


NAMES = st.text("abcABC!#$%&'*+-.^_`|~09", min_size=1, max_size=6)
VALUES = st.text(st.characters(max_codepoint=255), max_size=12)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_the_standard_library_writes_is_read_back(cookies: dict[str, str]) -> None:
    """``http.cookies`` escapes in octal what may not stand in a value."""
    jar = SimpleCookie(cookies)
    line = "; ".join(f"{morsel.key}={morsel.coded_value}" for morsel in jar.values())
    assert parse_cookies(line) == cookies


PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='";'), max_size=12
)


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, PLAIN.map(str.strip), max_size=4), st.sampled_from([";", "; ", " ;\t"])
)
def test_plain_cookies_are_read_back(cookies: dict[str, str], separator: str) -> None:
    assert parse_cookies(separator.join(f"{n}={v}" for n, v in cookies.items())) == cookies


PIECES = st.lists(st.sampled_from([*';="\\ ,\t', "a", "b", "\\0", "\\101", "\n", "\x00"]))


@settings(deadline=None)
@given(st.text() | PIECES.map("".join))
def test_any_text_is_read(value: str) -> None:
    for name in parse_cookies(value):
        assert name
        assert not set(name) & set(' \t;=,"\n\x00')


@settings(deadline=None)
@given(PIECES.map("".join), st.text("ab;= ,"))
def test_a_bad_piece_costs_nothing_but_itself(bad: str, text: str) -> None:
    """What stands behind an unquoted semicolon is read whatever stood in front of it."""
    bad = bad.replace('"', "").replace("\n", "")
    assert parse_cookies(f"{bad}; a1=b; {text}; c1=d").items() >= {"a1": "b", "c1": "d"}.items()


FLOODS = [
    ("", "a=b;", ""),
    ("", "a;", ""),
    ("", "a", ""),
    ("a", " ", "b"),
    ("a=", " ", "b"),
    ("a=b", " ", ""),
    ("", "a=", ""),
    ('a="', "b", ""),
    ('a="', "\\", ""),
    ('a="', '\\"', ""),
    ("", 'a="', ""),
    ("", 'a="b"', ""),
    ("", 'a="b" ;', ""),
    ('a=""', " ", "b"),
    ("", ",", ""),
    ("", ",;", ""),
    ("", ";", ""),
    ("", "; ", ""),
    ("", " ;\t", ","),
    ("", "a ", ""),
    ("", "a,", ""),
    ('a="', "\\101", '"'),
]


@pytest.mark.parametrize(("start", "flood", "end"), FLOODS)
def test_a_flood_is_read_in_linear_work(start: str, flood: str, end: str) -> None:
    """300 kB, forty times what a field may hold: quadratic work would take minutes.

    The work of a child process is bounded; how long it takes is not looked at.
    """
    code = (
        "import sys; from bascule.wire.cookies import parse_cookies\n"
        "start, flood, end = sys.argv[1:]\n"
        "parse_cookies(start + flood * (300_000 // len(flood)) + end)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, start, flood, end],
        env={"PYTHONPATH": str(Path(bascule.__file__).parent.parent)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (3, 3)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
