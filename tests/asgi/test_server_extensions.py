"""Extensions of ASGI on our server, TLS, root paths and Unix sockets: rules E01 to E09, S110 to
S117."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.x509.oid import NameOID

from bascule import web
from bascule.asgi import tls as tls_extension
from bascule.wire.certificates import dump_subject
from support.asgi_role import (
    GET,
    LAST_GET,
    START,
    Application,
    answer_to,
    body,
    get,
    opened,
    post,
    raised_by,
    read_rest,
    start,
)
from support.frames import handshake
from support.wire import Wire, serve

LAST_CHUNK = b"\r\n0\r\n\r\n"
HINT = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
PROMISE = start((b"trailer", b"x-sum, x-more"), trailers=True)
TE = get("TE: trailers", "Connection: close")


def sending(*messages: Any) -> Any:
    """Make a handler that sends messages."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return handler


# -- denials


async def deny(*messages: Any) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Give the answer to a WebSocket that is refused with messages."""
    app = Application(sending(*messages))
    async with opened(app) as (_, wire):
        await wire.send(handshake())
        answer = await wire.read_answer()
    assert app.scopes[0]["extensions"]["websocket.http.response"] == {}
    return answer


async def test_e01_denials() -> None:
    """A WebSocket can be refused with status, headers and body of the application's choice."""
    first, fields, data = await deny(
        {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"you")]},
        {"type": "websocket.http.response.body", "body": b"who?"},
    )
    assert (first, fields[b"x-why"], data) == (b"HTTP/1.1 401 Unauthorized", b"you", b"who?")


async def test_e02_denials_in_pieces() -> None:
    """The body of a refusal may come in several messages, of any bytes."""
    kind = "websocket.http.response.body"
    _, _, data = await deny(
        {"type": "websocket.http.response.start", "status": 403},
        {"type": kind, "body": b"\x00\xff", "more_body": True},
        {"type": kind, "body": b"", "more_body": True},
        {"type": kind, "body": b"\xfe"},
    )
    assert data == b"\x00\xff\xfe"


# -- files


def pathsend(path: Any) -> dict[str, Any]:
    return {"type": "http.response.pathsend", "path": str(path)}


def zerocopysend(file: Any, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.zerocopysend", "file": file, **more}


@pytest.fixture
def data() -> bytes:
    return bytes(range(256)) * 4000


@pytest.fixture
def path(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


@pytest.fixture
def file(path: Path) -> Iterator[BufferedReader]:
    with path.open("rb") as file:
        yield file


def length(size: int) -> Any:
    return start((b"content-length", b"%d" % size))


@pytest.mark.parametrize("is_declared", [True, False])
async def test_e03_pathsend(path: Path, data: bytes, is_declared: bool) -> None:
    """A file is sent by its path, as the whole body; its length is told."""
    app = Application(sending(length(len(data)) if is_declared else START, pathsend(path)))
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            _, fields, found = await wire.read_answer()
            assert (fields[b"content-length"], found) == (b"%d" % len(data), data)
    assert app.scopes[0]["extensions"]["http.response.pathsend"] == {}


async def test_e03_what_follows_a_path_is_ignored(path: Path) -> None:
    """A path ends the response."""
    app = Application(sending(START, pathsend(path), body(b"more"), pathsend(path)))
    async with opened(app) as (_, wire):
        await wire.send(GET * 2)
        for _ in range(2):
            assert (await wire.read_answer())[2] == path.read_bytes()
        await app.ended(2)
    assert app.errors == [None, None]


async def test_e03_heads_of_files(path: Path, data: bytes) -> None:
    """HEAD tells the length of a file and sends none of it."""
    async with opened(Application(sending(START, pathsend(path)))) as (_, wire):
        for _ in range(2):
            await wire.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await wire.read_head())[1][b"content-length"] == b"%d" % len(data)


@pytest.mark.parametrize(
    ("name", "error"),
    [("missing", FileNotFoundError), ("", IsADirectoryError), ("relative", ValueError)],
)
async def test_e03_files_that_cannot_be_sent(
    tmp_path: Path, name: str, error: type[Exception]
) -> None:
    """A file that is not there, a directory and a relative path raise before anything is sent."""
    where = name if name == "relative" else tmp_path / name
    app = Application(sending(START, pathsend(where)))
    async with opened(app) as (_, wire):
        await wire.send(GET)
        assert (await wire.read_head())[0] == b"HTTP/1.1 500 Internal Server Error"
    assert [type(exc) for exc in app.errors] == [error]


async def test_e03_a_path_behind_a_piece_raises(path: Path) -> None:
    """A path cannot be mixed with other pieces, nor come before the start."""
    raised = await raised_by(START, body(b"x", True), pathsend(path))
    assert isinstance(raised, RuntimeError)
    assert isinstance(await raised_by(pathsend(path)), RuntimeError)
    raised = await raised_by(START, {"type": "http.response.pathsend", "path": b"/x"})
    assert isinstance(raised, TypeError)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, slice(None)),
        ({"offset": 1000}, slice(1000, None)),
        ({"count": 10}, slice(10)),
        ({"offset": 5, "count": 700_000}, slice(5, 700_005)),
        ({"offset": 1_023_990, "count": 100}, slice(1_023_990, None)),
        ({"offset": 2_000_000}, slice(0)),
        ({"count": 0}, slice(0)),
    ],
)
@pytest.mark.parametrize("kind", ["buffered", "raw", "descriptor"])
async def test_e04_zerocopysend(
    file: BufferedReader, data: bytes, more: dict[str, int], expected: slice, kind: str
) -> None:
    """A part of an open file is sent, and its length is told; the file stays open."""
    what = {"buffered": file, "raw": file.raw, "descriptor": file.fileno()}[kind]
    app = Application(sending(START, zerocopysend(what, **more)))
    async with opened(app) as (_, wire):
        await wire.send(GET)
        _, fields, found = await wire.read_answer()
    assert found == data[expected]
    assert fields[b"content-length"] == b"%d" % len(found)
    assert os.fstat(file.fileno())
    assert app.scopes[0]["extensions"]["http.response.zerocopysend"] == {}


async def test_e04_parts_of_files_mix_with_pieces(file: BufferedReader, data: bytes) -> None:
    """Parts of files and other pieces of the body mix; without offset a file is read on."""
    file.read(3)
    messages = [
        body(b"<", True),
        zerocopysend(file, count=4, more_body=True),
        body(b"|", True),
        zerocopysend(file, count=5, more_body=True),
        zerocopysend(file, offset=100, count=2, more_body=True),
        zerocopysend(file, count=1, more_body=True),
        body(b">"),
    ]
    expected = b"<" + data[3:7] + b"|" + data[7:12] + data[100:102] + data[12:13] + b">"
    async with opened(Application(sending(START, *messages))) as (_, wire):
        await wire.send(GET)
        assert (await wire.read_answer())[2] == expected
    assert file.tell() == 13


async def test_e04_parts_of_files_keep_to_the_length(file: BufferedReader, data: bytes) -> None:
    """Of a part of a file no more is sent than the length that was declared."""
    app = Application(sending(length(7), zerocopysend(file, offset=0)))
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_answer())[2] == data[:7]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"offset": -1}, ValueError),
        ({"count": -1}, ValueError),
        ({"offset": "1"}, TypeError),
        ({"file": b"bytes"}, TypeError),
    ],
)
async def test_e04_what_cannot_be_sent(
    file: BufferedReader, more: Any, error: type[Exception]
) -> None:
    """Numbers that are none and things that are no files raise."""
    assert isinstance(await raised_by(START, {**zerocopysend(file), **more}), error)


async def test_e04_a_pipe_is_refused() -> None:
    """Only regular files have bytes that can be sent from."""
    reading, writing = os.pipe()
    try:
        assert isinstance(await raised_by(START, zerocopysend(reading)), ValueError)
    finally:
        os.close(reading)
        os.close(writing)


async def test_e04_a_client_that_leaves(file: BufferedReader) -> None:
    """send() raises once the client has left, for files too."""
    raised: list[OSError] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(zerocopysend(file, offset=0, more_body=True))
        except OSError as exc:
            raised.append(exc)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        await wire.read_head()
        wire.writer.transport.abort()
        await app.ended()
    assert len(raised) == 1


# -- early hints


@pytest.mark.parametrize("messages", [[HINT, START], [START, HINT], [HINT, START, HINT]])
async def test_e05_early_hints(messages: list[Any]) -> None:
    """Early hints leave before the answer, sent in front of its start or right behind it."""
    app = Application(sending(*messages, body(b"abc")))
    async with opened(app) as (_, wire):
        await wire.send(GET)
        for _ in range(messages.count(HINT)):
            head = await wire.reader.readuntil(b"\r\n\r\n")
            assert head == (
                b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n"
            )
        assert (await wire.read_answer())[::2] == (b"HTTP/1.1 200 OK", b"abc")
    assert app.scopes[0]["extensions"]["http.response.early_hint"] == {}


async def test_e05_hints_leave_at_once() -> None:
    """Early hints do not wait for the answer."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(HINT)
        await go_on.wait()
        await sending(START, body())(scope, receive, send)

    async with opened(Application(handler)) as (_, wire):
        await wire.send(GET)
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 103 ")
        go_on.set()
        await wire.read_answer()


async def test_e05_hints_that_are_too_late() -> None:
    """Early hints behind the head are ignored, those to HTTP/1.0 too."""
    late = sending(START, body(b"abc", True), HINT, body(b"de"))
    answer = await answer_to(late)
    assert b" 103 " not in answer
    assert answer.endswith(b"de\r\n0\r\n\r\n")
    early = sending(HINT, START, body(b"abc"))
    assert b" 103 " not in await answer_to(early, b"GET / HTTP/1.0\r\n\r\n")


async def test_e05_links_are_checked() -> None:
    """Links are bytes that make up one field each."""
    hint = {"type": "http.response.early_hint", "links": [b"</a>\r\nX: y"]}
    assert isinstance(await raised_by(hint), ValueError)
    assert isinstance(await raised_by({**hint, "links": ["</a>"]}), TypeError)


# -- trailers


async def test_e06_trailers() -> None:
    """Trailers follow the body, for a client that takes them."""
    answer = await answer_to(sending(PROMISE, body(b"abc"), TRAILERS), TE)
    assert b"\r\ntrailer: x-sum, x-more\r\n" in answer
    assert answer.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n")


async def test_e06_trailers_in_pieces() -> None:
    """Body and trailers may come in several messages each; what follows is ignored."""
    more = {**TRAILERS, "headers": [(b"x-more", b"2"), (b"x-more", b"3")]}
    messages = [body(b"ab", True), body(b"c"), {**TRAILERS, "more_trailers": True}, more, more]
    app = Application(sending(PROMISE, *messages))
    async with opened(app) as (_, wire):
        await wire.send(get("te: deflate;q=0.5, Trailers") + TE)
        answer = await read_rest(wire)
    assert answer.count(b"0\r\nx-sum: 1\r\nx-more: 2\r\nx-more: 3\r\n\r\n") == 2
    assert app.errors == [None, None]


@pytest.mark.parametrize("messages", [[body(b"abc")], [body(b"a", True), body(b"bc")]])
async def test_e06_a_body_leaves_before_its_trailers(messages: list[Any]) -> None:
    """The last piece of the body does not wait for the trailers."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await sending(PROMISE, *messages)(scope, receive, send)
        await go_on.wait()
        await send(TRAILERS)

    async with opened(Application(handler)) as (_, wire):
        await wire.send(TE)
        await wire.read_head()
        await wire.reader.readuntil(b"c\r\n")
        go_on.set()
        assert await read_rest(wire) == b"0\r\nx-sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    "messages",
    [
        [START, body(b"abc", True), TRAILERS],
        [PROMISE, body(b"abc", True), TRAILERS],
        [PROMISE, body(b"abc"), body(b"de")],
        [PROMISE, TRAILERS],
    ],
)
async def test_e06_trailers_have_their_place(messages: list[Any]) -> None:
    """Trailers behind an unfinished body raise, and a body behind its end."""
    raised: list[type[BaseException]] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            await sending(*messages)(scope, receive, send)
        except Exception as exc:
            raised.append(type(exc))
            raise

    assert not (await answer_to(handler, TE)).endswith(LAST_CHUNK)
    assert raised == [RuntimeError]


async def test_e06_trailers_that_were_promised_and_do_not_come() -> None:
    """A response without the trailers it has promised is not complete."""
    assert not (await answer_to(sending(PROMISE, body(b"abc")), TE)).endswith(LAST_CHUNK)


@pytest.mark.parametrize(
    "data",
    [LAST_GET, get("TE: gzip", "Connection: close"), b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n"],
)
async def test_e07_clients_that_take_no_trailers(data: bytes) -> None:
    """Trailers are not sent to a client that has not asked for them; the answer is whole."""
    app = Application(sending(PROMISE, body(b"ab", True), body(b"c"), TRAILERS))
    async with opened(app) as (_, wire):
        await wire.send(data)
        answer = await read_rest(wire)
    assert b"x-sum: 1" not in answer
    if b"HTTP/1.1" in data:
        assert answer.endswith(b"c\r\n0\r\n\r\n")
    assert app.errors == [None]


async def test_e07_no_room_for_trailers() -> None:
    """A body of a declared length has no place for trailers."""
    promise = start((b"content-length", b"3"), trailers=True)
    answer = await answer_to(sending(promise, body(b"abc"), TRAILERS), TE)
    assert answer.endswith(b"\r\n\r\nabc")


# -- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", "127.0.0.1")


def server_context(certificate: trustme.LeafCert, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def tls_of(
    server: ssl.SSLContext, client: ssl.SSLContext, data: bytes = GET
) -> tuple[dict[str, Any], Any]:
    """Give the scope of a request over TLS, and what the client's end knows of it."""
    app = Application()
    async with serve(app, ssl_context=server, access_log=None) as served:
        async with served.connect(ssl=client, server_hostname="localhost") as wire:
            for _ in range(2):
                await wire.send(data)
                await wire.read_head()
            known = wire.writer.get_extra_info("ssl_object")
            first, second = app.scopes
            assert first["extensions"]["tls"] == second["extensions"]["tls"]
            assert first["extensions"]["tls"] is not second["extensions"]["tls"]
            return first, (known.version(), known.cipher()[0], known.getpeercert(True))


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return ssl.TLSVersion[request.param]


SUITES = {
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
    "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
}


async def test_e08_tls(
    authority: trustme.CA, certificate: trustme.LeafCert, version: ssl.TLSVersion
) -> None:
    """The TLS extension tells certificate, version and cipher suite, as numbers of the protocol."""
    server = server_context(certificate, maximum_version=version)
    scope, (_, suite, shown) = await tls_of(server, client_context(authority))
    assert scope["extensions"]["tls"] == {
        "server_cert": ssl.DER_cert_to_PEM_cert(shown),
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": {"TLSv1_2": 0x0303, "TLSv1_3": 0x0304}[version.name],
        "cipher_suite": SUITES[suite],
    }


async def test_e08_tls_of_the_name_that_was_asked_for(authority: trustme.CA) -> None:
    """Where the name leads to another context, its certificate is told."""
    named = server_context(authority.issue_cert("localhost"))
    other = server_context(authority.issue_cert("elsewhere.example"))

    def choose(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        if name == "localhost":
            connection.context = named

    other.sni_callback = choose  # type: ignore[assignment]  # typeshed wants an int
    scope, (_, _, shown) = await tls_of(other, client_context(authority))
    assert scope["extensions"]["tls"]["server_cert"] == ssl.DER_cert_to_PEM_cert(shown)


@pytest.mark.parametrize("demand", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
async def test_e09_client_certificates(
    authority: trustme.CA,
    certificate: trustme.LeafCert,
    version: ssl.TLSVersion,
    demand: ssl.VerifyMode,
) -> None:
    """The certificate of a client and its name are told."""
    server = server_context(certificate, maximum_version=version, verify_mode=demand)
    authority.configure_trust(server)
    client = client_context(authority)
    own = authority.issue_cert(
        "someone@example.org",
        common_name="Smith, J.",
        organization_name="A+B",
        key_type=trustme.KeyType.RSA,
    )
    own.configure_cert(client)
    scope, _ = await tls_of(server, client)
    tls = scope["extensions"]["tls"]
    assert tls["client_cert_chain"][0] == own.cert_chain_pems[0].bytes().decode()
    parsed = x509.load_pem_x509_certificate(own.cert_chain_pems[0].bytes())
    assert tls["client_cert_name"] == parsed.subject.rfc4514_string()
    assert "CN=Smith\\, J." in tls["client_cert_name"]
    assert tls["client_cert_error"] is None
    if demand is ssl.CERT_OPTIONAL or version is ssl.TLSVersion.TLSv1_3:
        assert tls["server_cert"] == certificate.cert_chain_pems[0].bytes().decode()


async def test_e09_chains(authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """All certificates that a client shows are told, its own first."""
    server = server_context(certificate, verify_mode=ssl.CERT_REQUIRED)
    authority.configure_trust(server)
    client = client_context(authority)
    own = authority.create_child_ca().issue_cert("someone@example.org")
    own.configure_cert(client)
    scope, _ = await tls_of(server, client)
    shown = [pem.bytes().decode() for pem in own.cert_chain_pems]
    assert len(shown) > 1
    assert scope["extensions"]["tls"]["client_cert_chain"][: len(shown)] == shown


def test_e09_a_name_that_cannot_be_read() -> None:
    """A certificate that OpenSSL takes and we cannot read has no name."""
    assert tls_extension._read_name(b"\x30\x02\x30\x00") is None


async def test_e09_a_client_without_certificate(
    authority: trustme.CA, certificate: trustme.LeafCert
) -> None:
    """A client that shows no certificate has none."""
    server = server_context(certificate, verify_mode=ssl.CERT_OPTIONAL)
    authority.configure_trust(server)
    scope, _ = await tls_of(server, client_context(authority))
    tls = scope["extensions"]["tls"]
    assert (tls["client_cert_chain"], tls["client_cert_name"]) == ([], None)


def test_e08_a_context_that_shows_nothing() -> None:
    """A certificate that cannot be found out about is none."""
    assert tls_extension._find_own_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) is None


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([[(NameOID.COUNTRY_NAME, "DE")], [(NameOID.COMMON_NAME, "a")]], "CN=a,C=DE"),
        ([[(NameOID.COMMON_NAME, "é, ß")]], "CN=é\\, ß"),
        ([[(NameOID.COMMON_NAME, ' "+,;<>\\ ')]], 'CN=\\ \\"\\+\\,\\;\\<\\>\\\\\\ '),
        ([[(NameOID.COMMON_NAME, "#a=b")]], "CN=\\#a=b"),
        ([[(NameOID.COMMON_NAME, "a"), (NameOID.USER_ID, "7")]], "CN=a+UID=7"),
        ([[(NameOID.EMAIL_ADDRESS, "a@b")]], "1.2.840.113549.1.9.1=#1603614062"),
        ([[(NameOID.DOMAIN_COMPONENT, "org")], [(NameOID.DOMAIN_COMPONENT, "x")]], "DC=x,DC=org"),
        ([], ""),
    ],
)
def test_e09_names(steps: list[Any], expected: str) -> None:
    """Names are written as RFC 4514 says."""
    assert sorted(dump_subject(make_certificate(steps)).split("+")) == sorted(expected.split("+"))


def make_certificate(steps: list[Any]) -> bytes:
    """Make a certificate whose subject has some steps."""
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(*pair) for pair in step])
            for step in steps
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    day = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x82\xff", b"x" * 9])
def test_e09_what_is_no_certificate(data: bytes) -> None:
    """What is no certificate has no name."""
    with pytest.raises(ValueError):
        dump_subject(data)


async def test_s110_https(authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """Over TLS the scheme is https; client and server are those of the socket."""
    scope, _ = await tls_of(server_context(certificate), client_context(authority))
    assert scope["scheme"] == "https"
    assert (scope["client"][0], scope["server"][0]) == ("127.0.0.1", "127.0.0.1")
    assert isinstance(scope["server"][1], int)


async def test_s111_wss(authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """Over TLS the scheme of a WebSocket is wss, and the extension is there."""
    app = Application(sending({"type": "websocket.close"}))
    context = server_context(certificate)
    async with serve(app, ssl_context=context, access_log=None) as served:
        client = client_context(authority)
        async with served.connect(ssl=client, server_hostname="localhost") as wire:
            await wire.send(handshake())
            assert (await wire.read_head())[0] == b"HTTP/1.1 403 Forbidden"
    assert app.scopes[0]["scheme"] == "wss"
    assert app.scopes[0]["extensions"]["tls"]["tls_version"] == 0x0304


async def test_s112_much_over_tls(authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """3 MB go both ways over TLS."""

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send(body(message["body"], more))

    data = bytes(range(256)) * 12_000
    async with serve(Application(echo), ssl_context=server_context(certificate)) as served:
        client = client_context(authority)
        async with served.connect(ssl=client, server_hostname="localhost") as wire:
            _, answer = await asyncio.gather(wire.send(post(data)), wire.read_answer())
            assert answer[2] == data


# -- root paths


async def rooted(root_path: str, target: str) -> dict[str, Any]:
    app = Application()
    async with opened(app, root_path=root_path) as (_, wire):
        await wire.send(b"OPTIONS %b HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
        await wire.read_answer()
    scope: dict[str, Any] = app.scopes[0]
    return scope


@pytest.mark.parametrize("root_path", ["/api", "/api/"])
async def test_s113_root_path(root_path: str) -> None:
    """A root path is told, and the path begins with it."""
    scope = await rooted(root_path, "/api/x")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/x")


@pytest.mark.parametrize(
    ("target", "path"),
    [("/x%20y", "/api/x y"), ("/", "/api/"), ("/apis", "/api/apis"), ("*", "*")],
)
async def test_s114_a_root_path_that_a_proxy_has_taken_off(target: str, path: str) -> None:
    """A path without the prefix gets it; the raw path stays as it came."""
    scope = await rooted("/api", target)
    assert (scope["root_path"], scope["path"]) == ("/api", path)
    assert scope["raw_path"] == target.encode()


@pytest.mark.parametrize(
    ("target", "path"),
    [("/api/x", "/api/x"), ("/api", "/api"), ("/%61pi/x", "/api/x"), ("http://h/api/x", "/api/x")],
)
async def test_s115_a_root_path_that_is_there(target: str, path: str) -> None:
    """A path that has the prefix does not get it twice."""
    scope = await rooted("/api", target)
    assert (scope["root_path"], scope["path"]) == ("/api", path)


async def test_s114_a_root_path_of_websockets() -> None:
    """WebSockets are below the prefix too."""
    app = Application(sending({"type": "websocket.close"}))
    async with opened(app, root_path="/api") as (_, wire):
        await wire.send(handshake())
        await wire.read_head()
    assert (app.scopes[0]["root_path"], app.scopes[0]["path"]) == ("/api", "/api/")


@pytest.mark.parametrize(
    "target",
    [
        "/x/7",
        "/r%C3%B6%20t/x/7",
        "/r%c3%b6%20%74/x/7",
        "http://h:1/x/7",
        "http://h:1/r%C3%B6%20t/x/7",
    ],
)
async def test_root_paths_of_native_applications(target: str) -> None:
    """A native application sees the prefix in its URLs and puts it into those that it builds, and
    routes what is behind it."""

    async def handler(request: web.Request) -> web.Response:
        url = request.app.router["x"].url_for(id="8")
        return web.Response(
            text=f"{request.match_info['id']} {request.path}?{request.query_string} {url.path}"
        )

    app = web.Application()
    app.router.add_get("/x/{id}", handler, name="x")
    async with opened(app, root_path="/rö t") as (_, wire):
        await wire.send(get(target=target + "?q=1"))
        assert (await wire.read_answer())[2].decode() == "7 /rö t/x/7?q=1 /rö t/x/8"
        await wire.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.read_answer())[0] == b"HTTP/1.1 404 Not Found"


@pytest.mark.parametrize(
    ("value", "error"),
    [("api", ValueError), ("/a?b", ValueError), ("/a%20b", ValueError), (b"/a", TypeError)],
)
def test_root_paths_that_are_none(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="root_path should be"):
        web.AppRunner(web.Application(), root_path=value)


# -- Unix sockets


async def test_s116_s117_unix_sockets(tmp_path: Path) -> None:
    """A Unix socket is served; the server is its path, and the client has no address."""
    app = Application()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path = str(tmp_path / "socket")
    await web.UnixSite(runner, path).start()
    try:
        wire = Wire(*await asyncio.open_unix_connection(path))
        await wire.send(GET)
        assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"
        await wire.close()
    finally:
        await runner.cleanup()
    assert list(app.scopes[0]["server"]) == [path, None]
    assert not app.scopes[0]["client"]
