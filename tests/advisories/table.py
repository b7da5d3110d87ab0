"""The advisories on servers like ours: what went wrong there, and where it is shown here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType

__all__ = ["ADVISORIES", "Advisory", "find_tests"]

_MODULES = [
    "aiohttp_bodies",
    "aiohttp_heads",
    "aiohttp_pages",
    "building_blocks",
    "forms",
    "frameworks",
    "servers_heads",
    "servers_pages",
]


@dataclass(frozen=True, slots=True)
class Advisory:
    """What was published about another project.

    Attributes:
        identifier: of a list of advisories; else the project and its release that tells of it.
        project: that had it.
        what: went wrong there.
        left_out: why there is no test here; empty where there is one.
    """

    identifier: str
    project: str
    what: str
    left_out: str = ""


_CLIENT = "of the client side"
_HTTP2 = "of HTTP/2, which is not spoken here"
_PASSWORDS = "no secret is compared by the package: applications do it, with hmac.compare_digest"

_ROWS = """
aiohttp-3.0.2 | aiohttp | absolute paths and shares of Windows below a static prefix
CVE-2021-21330 | aiohttp | normalize_path_middleware redirected //evil to another host
CVE-2022-33124 | aiohttp | a bad IPv6 literal raised out of the parser
CVE-2023-37276 | aiohttp | a bare CR ended a field (with CVE-2023-30589 of llhttp)
CVE-2023-47627 | aiohttp | lenient Content-Length, field names and blanks in the Python parser
CVE-2023-47641 | aiohttp | Content-Length beside Transfer-Encoding
GHSA-pjjw-qhg8-p2p9 | aiohttp | lenient bytes in field names
CVE-2023-49081 | aiohttp | line ends in the version of a request | {client}
CVE-2023-49082 | aiohttp | line ends in the method of a request | {client}
CVE-2024-23334 | aiohttp | follow_symlinks skipped the check that a file lies below the root
CVE-2024-23829 | aiohttp | lenient methods and versions; errors escaped the Python parser
CVE-2024-27306 | aiohttp | file names stood unescaped in the list of a directory
CVE-2024-30251 | aiohttp | a multipart body that ends inside a part was read for ever
CVE-2024-42367 | aiohttp | a compressed neighbour was followed out of the root
CVE-2024-52303 | aiohttp | an entry of a cache for each 404 and 405 leaked memory
CVE-2024-52304 | aiohttp | a line end inside a chunk extension
CVE-2025-53643 | aiohttp | trailers were not parsed
CVE-2025-69223 | aiohttp | a compressed body was inflated without a bound
CVE-2025-69224 | aiohttp | digits and letters that are not ASCII in framing fields
CVE-2025-69225 | aiohttp | digits that are not ASCII in Range
CVE-2025-69226 | aiohttp | 403 or 404 told which files outside the root exist
CVE-2025-69227 | aiohttp | an assert did the checking: an endless loop under -O
CVE-2025-69228 | aiohttp | client_max_size counted for each field, not for the form
CVE-2025-69229 | aiohttp | quadratic work for many small chunks
CVE-2025-69230 | aiohttp | a warning in the log for each bad cookie
CVE-2026-22815 | aiohttp | trailers without limit
CVE-2026-34513 | aiohttp | cache of names | {client}
CVE-2026-34514 | aiohttp | line ends in the content type of a payload
CVE-2026-34515 | aiohttp | a name of a share was looked up before it was refused
CVE-2026-34516 | aiohttp | too many fields in the head of a part
CVE-2026-34517 | aiohttp | a field of a form was read whole before its size was checked
CVE-2026-34518 | aiohttp | redirects | {client}
CVE-2026-34519 | aiohttp | line ends in the reason phrase
CVE-2026-34520 | aiohttp | NUL and controls were taken in fields
CVE-2026-34525 | aiohttp | several Host fields were taken
CVE-2026-34993 | aiohttp | cookie jar | {client}
CVE-2026-47265 | aiohttp | cookie jar | {client}
CVE-2026-50269 | aiohttp | line ends in the fields of parts and payloads
CVE-2026-54273 | aiohttp | pipelined requests piled up
CVE-2026-54274 | aiohttp | a giant WebSocket frame was gathered past the limit
CVE-2026-54275 | aiohttp | pool of connections | {client}
CVE-2026-54276 | aiohttp | digest authentication | {client}
CVE-2026-54277 | aiohttp | a line that came in pieces escaped the limit of lines
CVE-2026-54278 | aiohttp | a compressed body that nobody read was inflated at the end
CVE-2026-54279 | aiohttp | redirects | {client}
CVE-2026-54280 | aiohttp | the file of a payload stayed open when the client had left
CVE-2026-59881 | aiohttp | the bit of compression was taken though none was agreed on
CVE-2026-69243 | aiohttp | the body of an upgrade became a request
CVE-2026-69244 | aiohttp | the text of an error held foreign bytes
CVE-2026-111750 | aiohttp | ambiguous framing in the Python parser
PYSEC-2026-4369 | aiohttp | the scheme of an absolute target was believed
PYSEC-2026-4370 | aiohttp | digest authentication | {client}
CVE-2025-43859 | h11 | any two bytes were taken for the CRLF behind chunk data
h11-0.15 | h11 | a Content-Length of thousands of digits was converted
CVE-2020-8287 | llhttp | a second Transfer-Encoding was ignored
CVE-2021-22959 | llhttp | a blank in front of the colon of a field
CVE-2021-22960 | llhttp | chunk extensions were skipped without a look
CVE-2022-32213 | llhttp | lenient values of Transfer-Encoding
CVE-2022-32214 | llhttp | a bare LF ended a field
CVE-2022-32215 | llhttp | Transfer-Encoding over several lines
CVE-2022-35256 | llhttp | a field that was not ended by CRLF
CVE-2023-30589 | llhttp | a bare CR ended a field
CVE-2024-27982 | node | a Content-Length behind a blank
CVE-2024-22019 | node | chunk extensions without limit
CVE-2025-23167 | llhttp | CRLF CR X ended a head
CVE-2018-1000518 | websockets | a compressed message was inflated without a bound
CVE-2021-33880 | websockets | the time of comparing a password told of it | {passwords}
CVE-2026-116579 | Autobahn | a brotli message was inflated before the limit was checked
CVE-2025-57804 | h2 | line ends in pseudo fields | {http2}
CVE-2026-104874 | multidict | operators of its views leaked references
CVE-2024-7592 | CPython | quadratic work for quoted cookies
CVE-2021-23336 | CPython | a semicolon separated the pairs of a query
CVE-2026-3644 | CPython | controls in cookies that are set
CVE-2020-7694 | uvicorn | escape sequences from the target in the log
CVE-2020-7695 | uvicorn | line ends in response fields
CVE-2026-42544 | granian | a subprotocol that is not ASCII ended a worker
CVE-2026-42545 | granian | a bad field of a WSGI application ended a worker
CVE-2026-44545 | daphne | WebSocket messages without limit
CVE-2026-44546 | daphne | line ends in the fields of an accepted WebSocket
CVE-2018-1000164 | gunicorn | line ends in response fields
SNYK-541164 | gunicorn | Content-Length beside Transfer-Encoding
CVE-2024-1135 | gunicorn | several Transfer-Encodings that contradict each other
CVE-2024-6827 | gunicorn | an unknown Transfer-Encoding left the Content-Length in force
gunicorn-25.3 | gunicorn | repeated lengths, codings in HTTP/1.0, CR in chunk extensions
CVE-2019-16785 | waitress | a bare LF ended a line
CVE-2019-16786 | waitress | a part of the value of Transfer-Encoding was enough
CVE-2019-16789 | waitress | odd blanks in Transfer-Encoding
CVE-2019-16792 | waitress | two Content-Lengths
CVE-2020-5236 | waitress | a regular expression took exponential time for a bad field
CVE-2022-24761 | waitress | 0x and + in numbers, line ends in chunk extensions
CVE-2022-31015 | waitress | a connection that was closed meanwhile ended the server
CVE-2024-49768 | waitress | a request behind a refused one was served
CVE-2024-49769 | waitress | a half-open connection kept the loop busy
CVE-2019-9512 | twisted | floods of pings | {http2}
CVE-2019-9514 | twisted | floods of resets | {http2}
CVE-2019-9515 | twisted | floods of settings | {http2}
CVE-2020-10108 | twisted | two Content-Lengths
CVE-2020-10109 | twisted | Content-Length beside Transfer-Encoding
CVE-2022-24801 | twisted | +5 and 0x in numbers, LF in chunk extensions, odd blanks
CVE-2022-39348 | twisted | Host stood in an error page
CVE-2023-46137 | twisted | pipelined requests were answered out of order
CVE-2024-41671 | twisted | pipelined requests were answered out of order
CVE-2024-41810 | twisted | HTML in the body of a redirection
CVE-2012-2374 | tornado | line ends in response fields
CVE-2025-67724 | tornado | line ends and HTML in the reason phrase
CVE-2023-28370 | tornado | static files redirected to another host
GHSA-qppv-j76h-2rpx | tornado | signs and underscores in Content-Length and chunk sizes
GHSA-753j-mpmx-qq6g | tornado | Content-Length beside Transfer-Encoding, unknown codings
GHSA-w235-7p84-xx57 | tornado | line ends in request fields | {client}
CVE-2024-52804 | tornado | quadratic work for cookies
CVE-2025-47287 | tornado | a line of log for each bad part of a form
CVE-2025-67725 | tornado | quadratic work for repeated fields
CVE-2025-67726 | tornado | quadratic work for parameters of parts
CVE-2026-31958 | tornado | parts without limit
CVE-2026-35536 | tornado | a semicolon in attributes of a cookie
CVE-2026-91991 | tornado | a semicolon in attributes of a cookie
CVE-2026-123535 | tornado | a semicolon in attributes of a cookie
CVE-2026-82397 | tornado | millions of separators stopped the loop
CVE-2026-91990 | tornado | parts were split before they were counted
CVE-2017-16762 | sanic | ..%2f led out of a static directory
CVE-2022-35920 | sanic | %2f led out of a static directory where links were followed
CVE-2020-35681 | channels | requests shared their scope
CVE-2020-35863 | hyper | the body of a GET became a request
CVE-2021-32715 | hyper | a sign in Content-Length
CVE-2023-39326 | Go | chunk extensions made much work for little data
CVE-2025-22871 | Go | a bare LF in chunk lines
CVE-2011-3192 | Apache | many ranges took much memory
CVE-2023-30798 | starlette | fields and files without limit
CVE-2023-29159 | starlette | a neighbour whose name begins like that of the static directory
CVE-2024-47874 | starlette | a part without a file name was kept without limit
CVE-2025-54121 | starlette | a large upload was written to the disk by the loop
CVE-2025-62727 | starlette | quadratic work for Range
CVE-2026-48710 | starlette | Host changed the path of request.url
PYSEC-2026-248 | starlette | a target without a slash moved the host of request.url
PYSEC-2026-249 | starlette | limits did not hold for urlencoded forms
CVE-2020-28724 | werkzeug | two slashes redirected to another host
CVE-2022-29361 | werkzeug | a body that was not read became a request
CVE-2023-23934 | werkzeug | a cookie without a name set that of another
CVE-2023-25577 | werkzeug | parts without limit
CVE-2023-46136 | werkzeug | quadratic search for a boundary behind CR or LF
CVE-2024-49767 | werkzeug | the limit of memory of a form was passed by
CVE-2024-49766 | werkzeug | shares of Windows in static paths
CVE-2025-66221 | werkzeug | devices of Windows in static paths
CVE-2026-21860 | werkzeug | devices of Windows with an extension
CVE-2026-27199 | werkzeug | devices of Windows below a directory
CVE-2024-24762 | python-multipart | a regular expression took exponential time for a media type
CVE-2024-53981 | python-multipart | a byte at a time in front of and behind the parts
CVE-2026-40347 | python-multipart | the same, in large preambles and epilogues
CVE-2026-24486 | python-multipart | the file name of an upload was a path
CVE-2026-42561 | python-multipart | heads of parts without limit
GHSA-v9pg-7xvm-68hf | python-multipart | a body in chunks passed the limit by
CVE-2026-53537 | python-multipart | filename* stood above filename
CVE-2026-53538 | python-multipart | a semicolon separated the pairs of a form
CVE-2026-53539 | python-multipart | quadratic work for separators
CVE-2026-28356 | multipart | a regular expression took exponential time for parameters
CVE-2021-28658 | django | the file name of an upload led out of its directory
CVE-2021-31542 | django | the file name of an upload led out of its directory
CVE-2022-23833 | django | a multipart body was read for ever
CVE-2023-24580 | django | too many files
CVE-2025-14550 | django | quadratic work for repeated fields
CVE-2026-3902 | django | names with _ and with - were the same
CVE-2026-33033 | django | much work for blanks in base64
CVE-2026-33034 | django | Content-Length was believed for the limit of a body
"""


def _read_rows() -> Iterator[Advisory]:
    reasons = {"{client}": _CLIENT, "{http2}": _HTTP2, "{passwords}": _PASSWORDS, "": ""}
    for line in _ROWS.strip().splitlines():
        identifier, project, what, *reason = line.split(" | ")
        yield Advisory(identifier, project, what, reasons["".join(reason)])


ADVISORIES = tuple(_read_rows())


def find_tests() -> dict[str, list[str]]:
    """Give the tests of each identifier, by their names and by the ids of their cases."""
    found: dict[str, list[str]] = {each.identifier: [] for each in ADVISORIES}
    by_plain_name = {_simplify(each): each for each in found}
    for module in _MODULES:
        for name, case in _list_cases(f"advisories.test_{module}"):
            for plain in _list_starts(_simplify(case)):
                if plain in by_plain_name:
                    found[by_plain_name[plain]].append(f"test_{module}.py::{name}")
                    break
    return found


def _list_cases(module: str) -> Iterator[tuple[str, str]]:
    """Give each test of a module, with what may hold an identifier: its name, an id of a case."""
    for name, test in vars(import_module(module)).items():
        if not name.startswith("test_") or not isinstance(test, FunctionType):
            continue
        yield name, name.removeprefix("test_")
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize":
                yield from ((name, str(value.id)) for value in mark.args[1] if hasattr(value, "id"))


def _list_starts(text: str) -> Iterator[str]:
    """Give a text, and what is left of it without its last word, and so on."""
    words = text.split("_")
    return ("_".join(words[:count]) for count in range(len(words), 0, -1))


def _simplify(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower())
