"""Files are served, whole and in part and on conditions, as in aiohttp."""

import pytest

from differential.files import AFTER, BEFORE, ETAG, THEN, build_files
from differential.frame import Call, Case, compare
from differential.pairwise import pairwise
from differential.requesting import PROTOCOLS, request

Fields = dict[str, str]


def _case(name: str, target: str, fields: Fields, method: str = "GET", **more: str) -> Case:
    return Case(name, build_files, Call(request(method, target, fields, **more)))


# -- fields that mean something to any file

_RANGES: dict[str, Fields] = {
    "range-first": {"Range": "bytes=0-0"},
    "range-middle": {"Range": "bytes=2-5"},
    "range-open": {"Range": "bytes=3-"},
    "range-all": {"Range": "bytes=0-"},
    "range-suffix": {"Range": "bytes=-3"},
    "range-suffix-long": {"Range": "bytes=-1000000"},
    "range-suffix-none": {"Range": "bytes=-0"},
    "range-clipped": {"Range": "bytes=2-99999999999999999999"},
    "range-beyond": {"Range": "bytes=1000000-"},
    "range-backwards": {"Range": "bytes=5-2"},
    "range-two": {"Range": "bytes=1-2,4-5"},
    "range-empty": {"Range": "bytes="},
    "range-dash": {"Range": "bytes=-"},
    "range-letters": {"Range": "bytes=a-b"},
    "range-upper-case": {"Range": "BYTES=1-2"},
    "range-blanks": {"Range": "bytes = 1-2"},
    "range-plus": {"Range": "bytes=+1-2"},
    "range-other-digits": {"Range": "bytes=١-٢"},
    "range-no-unit": {"Range": "1-2"},
    "range-no-value": {"Range": "bytes"},
    "range-blank-field": {"Range": ""},
    "range-on-etag": {"Range": "bytes=1-2", "If-None-Match": "*"},
    "range-on-match": {"Range": "bytes=1-2", "If-Match": '"x"'},
    "range-if-date": {"Range": "bytes=1-2", "If-Range": THEN},
    "range-if-older-date": {"Range": "bytes=1-2", "If-Range": BEFORE},
}
_CONDITIONS: dict[str, Fields] = {
    "none": {},
    "match-any": {"If-Match": "*"},
    "match-other": {"If-Match": '"x", "y"'},
    "match-garbage": {"If-Match": "x"},
    "match-blank": {"If-Match": ""},
    "match-any-and-more": {"If-Match": '*, "x"'},
    "none-match-any": {"If-None-Match": "*"},
    "none-match-other": {"If-None-Match": '"x"'},
    "none-match-garbage": {"If-None-Match": "x"},
    "none-match-blank": {"If-None-Match": ""},
    "modified-then": {"If-Modified-Since": THEN},
    "modified-before": {"If-Modified-Since": BEFORE},
    "modified-after": {"If-Modified-Since": AFTER},
    "modified-future": {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    "modified-asctime": {"If-Modified-Since": "Sun Nov  6 08:49:37 1994"},
    "modified-rfc-850": {"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"},
    "modified-garbage": {"If-Modified-Since": "yesterday"},
    "unmodified-then": {"If-Unmodified-Since": THEN},
    "unmodified-before": {"If-Unmodified-Since": BEFORE},
    "unmodified-after": {"If-Unmodified-Since": AFTER},
    "unmodified-garbage": {"If-Unmodified-Since": "0"},
    "both-dates": {"If-Unmodified-Since": THEN, "If-Modified-Since": THEN},
    "match-wins": {"If-Match": "*", "If-Unmodified-Since": BEFORE},
    "none-match-wins": {"If-None-Match": '"x"', "If-Modified-Since": THEN},
    "unmodified-first": {"If-Unmodified-Since": BEFORE, "If-None-Match": "*"},
    "if-range-alone": {"If-Range": '"x"'},
    "accept-gzip": {"Accept-Encoding": "gzip"},
    "accept-br": {"Accept-Encoding": "br"},
    "accept-both": {"Accept-Encoding": "GZIP, deflate, BR"},
    "accept-others": {"Accept-Encoding": "deflate, identity, *"},
}
_TAGS: dict[str, Fields] = {
    "match-tag": {"If-Match": ETAG},
    "match-weak-tag": {"If-Match": f"W/{ETAG}"},
    "match-second-tag": {"If-Match": f'"x",\t {ETAG}'},
    "match-tag-behind-garbage": {"If-Match": f'"x" y, {ETAG}'},
    "none-match-tag": {"If-None-Match": ETAG},
    "none-match-weak-tag": {"If-None-Match": f"W/{ETAG}"},
    "none-match-second-tag": {"If-None-Match": f'W/"x", W/{ETAG}'},
    "none-match-tag-semicolon": {"If-None-Match": f'"x";{ETAG}'},
    "none-match-bare-tag": {"If-None-Match": ETAG.strip('"')},
    "none-match-lower-weak": {"If-None-Match": f"w/{ETAG}"},
    "none-match-tag-range": {"If-None-Match": ETAG, "Range": "bytes=1-2"},
    "match-and-none-match": {"If-Match": ETAG, "If-None-Match": ETAG},
    "match-fails-first": {"If-Match": '"x"', "If-None-Match": ETAG},
    "range-if-tag": {"Range": "bytes=1-2", "If-Range": ETAG},
}
_ANY = {**_CONDITIONS, **_RANGES}
_SOME = {name: _ANY[name] for name in ("none", "none-match-any", "match-any", "range-middle")}

_STATES = {
    "digits": ("/static/digits.txt", {**_ANY, **_TAGS}),
    "empty": ("/static/empty.txt", _ANY),
    "big": ("/static/big.bin", _ANY),
    "big-small-chunks": ("/small-chunks/big.bin", _SOME),
    "coded": ("/static/style.css", _CONDITIONS),
    "coded-by-name": ("/static/style.css.gz", _CONDITIONS),
    "coded-only": ("/static/only.html", _CONDITIONS),
    "coded-link": ("/static/linked.css", _CONDITIONS),
    "link-in": ("/static/in", _SOME),
    "link-out": ("/static/out", _SOME),
    "link-out-followed": ("/follow/out", _SOME),
    "link-out-handled": ("/linked-out", _SOME),
    "link-in-handled": ("/link", _SOME),
    "loop": ("/static/loop", _SOME),
    "loop-followed": ("/follow/loop", _SOME),
    "dangling": ("/static/dangling", _SOME),
    "missing": ("/static/missing", _SOME),
    "missing-handled": ("/missing", _SOME),
    "directory": ("/static/sub", _SOME),
    "directory-listed": ("/index/sub", _SOME),
    "directory-handled": ("/directory", _SOME),
    "fifo": ("/static/fifo", _SOME),
    "fifo-handled": ("/fifo", _SOME),
    "device-handled": ("/device", _SOME),
    "made": ("/made", {"none": {}, "range-middle": _RANGES["range-middle"]}),
    "no-content": ("/no-content", {"none": {}}),
    "decorated": ("/decorated", _ANY),
}

# -- names

_NAMES = {
    "blank": "sub/a%20b.txt",
    "percent": "sub/percent%2520.txt",
    "encoded-slash": "sub%2Fa%20b.txt",
    "encoded-letter": "%64igits.txt",
    "query": "digits.txt?a=1",
    "slash-behind": "digits.txt/",
    "encoded-slash-behind": "digits.txt%2F",
    "below-a-file": "digits.txt/x",
    "upper-case": "DIGITS.TXT",
    "root": "",
    "dot": ".",
    "dot-slash": "./",
    "dot-inside": "sub/./a%20b.txt",
    "two-slashes-inside": "sub//a%20b.txt",
    "up": "..",
    "up-and-down": "../static/digits.txt",
    "up-inside": "sub/../digits.txt",
    "up-to-root": "sub/..",
    "up-out": "../secret.txt",
    "up-out-encoded": "%2e%2e/secret.txt",
    "up-out-encoded-slash": "..%2Fsecret.txt",
    "up-out-inside": "sub/../../secret.txt",
    "up-out-inside-encoded": "sub%2F..%2F..%2Fsecret.txt",
    "up-out-to-a-route": "../made",
    "up-out-twice-encoded": "%252e%252e/secret.txt",
    "absolute": "/etc/passwd",
    "absolute-encoded": "%2Fetc%2Fpasswd",
    "absolute-two-slashes": "//digits.txt",
    "drive": "C:/x",
    "share": "%5C%5Chost%5Cx",
    "backslash-up": "..%5Csecret.txt",
    "nul": "digits.txt%00",
    "newline": "%0A",
    "tilde": "~root",
    "stream": "digits.txt:stream",
    "latin-1": "%E9",
    "surrogate": "%ED%B2%80",
    "link-climbed": "outside/../digits.txt",
    "link-out-and-in": "outside/root/digits.txt",
    "link-out-below": "outside/secret.txt",
    "link-out-missing": "outside/missing",
    "link-in-below": "inside/a%20b.txt",
    "listed-dangling": "dangling",
    "listed-quotes": "sub/d%3Ci%3E%22'r",
    "listed-slash": "sub/",
    "listed-link": "inside",
}

# -- what differs on purpose, each the reason of an entry in `differences`

_DIFFERENT: dict[str, tuple[str, Fields, str]] = {
    "unit-unknown": ("/static/digits.txt", {"Range": "items=1-2"}, "GET"),
    "if-range/other-tag": ("/static/digits.txt", {"Range": "bytes=1-2", "If-Range": '"x"'}, "GET"),
    "if-range/weak-tag": (
        "/static/digits.txt",
        {"Range": "bytes=1-2", "If-Range": f"W/{ETAG}"},
        "GET",
    ),
    "if-range/later-date": ("/static/digits.txt", {"Range": "bytes=1-2", "If-Range": AFTER}, "GET"),
    "if-range/garbage": ("/static/digits.txt", {"Range": "bytes=1-2", "If-Range": "x"}, "GET"),
    "head-range/part": ("/static/digits.txt", {"Range": "bytes=1-2"}, "HEAD"),
    "head-range/beyond": ("/static/digits.txt", {"Range": "bytes=10-"}, "HEAD"),
    "post-range/part": ("/made", {"Range": "bytes=1-2"}, "POST"),
    "post-none-match": ("/made", {"If-None-Match": "*"}, "POST"),
    "post-modified": ("/made", {"If-Modified-Since": THEN}, "POST"),
    "tags/empty-elements": ("/static/digits.txt", {"If-None-Match": f',"x",,{ETAG}'}, "GET"),
    "page/range": ("/page", {"Range": "bytes=1-2"}, "GET"),
    "page/range-beyond": ("/page", {"Range": "bytes=10-"}, "GET"),
    "page/none-match": ("/page", {"If-None-Match": "*"}, "GET"),
    "page/match": ("/page", {"If-Match": '"x"'}, "GET"),
    "coding/gzip-refused": ("/static/style.css", {"Accept-Encoding": "gzip;q=0"}, "GET"),
    "coding/br-refused": ("/static/style.css", {"Accept-Encoding": "br;q=0, deflate"}, "GET"),
    "coding/longer-name": ("/static/style.css", {"Accept-Encoding": "brotli"}, "GET"),
    "vary/304": ("/static/style.css", {"Accept-Encoding": "br", "If-None-Match": "*"}, "GET"),
    "vary/kept": ("/varied", {"Accept-Encoding": "br"}, "GET"),
    "name/too-long": ("/static/" + "x" * 300, {}, "GET"),
    "name/too-long-handled": ("/long", {}, "GET"),
    "name/nul-handled": ("/nul", {}, "GET"),
    "name/backslash": ("/static/back%5Cslash", {}, "GET"),
    "type/own": ("/static/typed.own", {}, "GET"),
    "chunked": ("/chunked", {}, "GET"),
    "quoted-prefix": ("/quoted%20a/%C3%A9/digits.txt", {}, "GET"),
    "index-link": ("/index/sub/and", {}, "GET"),
    "index-outside": ("/follow/outside", {}, "GET"),
}

# -- what requests tell of their conditions

_DATES = ("If-Range", "If-Modified-Since", "If-Unmodified-Since")
_TOLD = {
    **_ANY,
    **_TAGS,
    "dates": dict.fromkeys(_DATES, THEN),
    "no-dates": dict.fromkeys(_DATES, '"x"'),
    "zone": {"If-Modified-Since": "Sun, 06 Nov 1994 09:49:37 +0100"},
    "no-zone": {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37"},
    "latin-tag": {"If-Match": '"é"'},
    "other-tag": {"If-Match": '"☃"'},
    "blank-in-tag": {"If-Match": '"a b"'},
    "comma-in-tag": {"If-Match": '"a,b", "c"'},
    "quoted-star": {"If-Match": '"*"'},
    "no-value-in-tag": {"If-Match": '""'},
    "open-tag": {"If-Match": '"a'},
    "many-zeros": {"Range": "bytes=00000000000000001-2"},
}


def _make_cases() -> list[Case]:
    cases = []
    for state, (target, labels) in _STATES.items():
        for label, fields in labels.items():
            for method in ("GET", "HEAD"):
                if method == "GET" or "Range" not in fields:
                    name = f"file/{state}/{label}/{method}"
                    cases.append(_case(name, target, fields, method))
    for place in ("static", "index", "follow", "inner/static"):
        for label, name in _NAMES.items():
            cases.append(_case(f"file/name/{place}/{label}", f"/{place}/{name}", {}))
    for label, (target, fields, method) in _DIFFERENT.items():
        cases.append(_case(f"file/different/{label}", target, fields, method))
    for label, fields in _TOLD.items():
        cases.append(_case(f"file/told/{label}", "/conditions", fields))
    return cases


# -- fields that meet each other, on files in every state that can be had

_STATES_TO_MEET = {
    "digits": "/static/digits.txt",
    "empty": "/static/empty.txt",
    "big": "/static/big.bin",
    "small-chunks": "/small-chunks/big.bin",
    "link": "/static/in",
    "missing": "/static/missing",
    "directory": "/static/sub",
}
_RANGES_TO_MEET = {"range": [None, "0-0", "2-5", "3-", "-3", "2-999999999", "1000000-", "5-2", "x"]}
_FIELDS_TO_MEET: dict[str, list[str | None]] = {
    "If-Range": [None, THEN, BEFORE],
    "If-Match": [None, "*", ETAG, f"W/{ETAG}", '"x"'],
    "If-None-Match": [None, "*", ETAG, f'"x", W/{ETAG}', '"x"'],
    "If-Modified-Since": [None, BEFORE, THEN, AFTER, "x"],
    "If-Unmodified-Since": [None, BEFORE, THEN, AFTER, "x"],
}
_DIMENSIONS = {
    "state": [*_STATES_TO_MEET],
    "protocol": [*PROTOCOLS],
    **_FIELDS_TO_MEET,
}


def _meet(number: int, chosen: dict[str, str | None], method: str) -> Case:
    fields = {name: value for name in _FIELDS_TO_MEET if (value := chosen[name]) is not None}
    if chosen.get("range") is not None:
        fields["Range"] = f"bytes={chosen['range']}"
    state, protocol = str(chosen["state"]), str(chosen["protocol"])
    name = f"file/met/{number}/{method}/{state}/{protocol}"
    return _case(name, _STATES_TO_MEET[state], fields, method, protocol=protocol)


_MET = [
    _meet(number, chosen, method)
    for method, dimensions in (("GET", {**_DIMENSIONS, **_RANGES_TO_MEET}), ("HEAD", _DIMENSIONS))
    for number, chosen in enumerate(pairwise(dimensions))
]

CASES = [
    *_make_cases(),
    *_MET,
    *(
        _case(f"file/{state}/{protocol}", target, {}, protocol=protocol)
        for state, target in (("digits", "/static/digits.txt"), ("missing", "/static/missing"))
        for protocol in PROTOCOLS
    ),
    *(
        _case(f"file/method/{method}", "/static/digits.txt", {}, method)
        for method in ("POST", "PUT", "DELETE", "OPTIONS")
    ),
    *(
        _case(f"file/options/{method}", "/options/a%20b/c", {}, method)
        for method in ("OPTIONS", "POST")
    ),
    _case("file/no-segment", "/staticdigits.txt", {}),
    _case("file/prefix-alone", "/static", {}),
    _case("file/expect-nonsense", "/static/digits.txt", {"Expect": "x"}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_files_are_served_as_by_aiohttp(case: Case) -> None:
    """Status, fields in their order, and body are the same."""
    await compare(case)
