"""The opening handshake: what is accepted, what is refused and why, and what is agreed on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bascule.wire.grammar import HttpVersion10, HttpVersion11
from bascule.wire.handshake import (
    BadHandshake,
    check_handshake,
    choose_subprotocol,
    dump_accept,
    list_subprotocols,
    parse_extensions,
    wants_websocket,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
Fields = list[tuple[str, str]]
GOOD: Fields = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


def fields_with(name: str, *values: str) -> CIMultiDict[str]:
    """A good handshake's fields, one of them replaced."""
    kept = [(key, value) for key, value in GOOD if key != name]
    return CIMultiDict(kept + [(name, value) for value in values])


def test_the_key_is_proved_to_be_understood() -> None:
    """RFC 6455 section 1.3."""
    assert dump_accept(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


GOOD_FIELDS = [
    pytest.param("Upgrade", ["WebSocket"], id="upgrade in another case"),
    pytest.param("Upgrade", ["h2c, websocket"], id="one upgrade of several"),
    pytest.param("Upgrade", ["h2c", "websocket"], id="upgrades in two fields"),
    pytest.param("Connection", ["upgrade"], id="connection in another case"),
    pytest.param("Connection", ["keep-alive, Upgrade"], id="as Firefox has it"),
    pytest.param("Connection", ["keep-alive", "Upgrade"], id="connection in two fields"),
    pytest.param("Sec-WebSocket-Version", ["8"], id="version 8"),
    pytest.param("Sec-WebSocket-Version", ["7"], id="version 7"),
]


@pytest.mark.parametrize(("name", "values"), GOOD_FIELDS)
def test_good_handshakes_are_accepted(name: str, values: list[str]) -> None:
    assert check_handshake("GET", HttpVersion11, fields_with(name, *values)) == KEY


NO_UPGRADE = 'No WebSocket UPGRADE hdr: {}\n Can "Upgrade" only to "WebSocket".'
BAD_FIELDS = [
    pytest.param("Upgrade", [], NO_UPGRADE.format(None), id="no upgrade"),
    pytest.param("Upgrade", ["h2c"], NO_UPGRADE.format("h2c"), id="another upgrade"),
    pytest.param("Upgrade", ["websocket2"], NO_UPGRADE.format("websocket2"), id="longer upgrade"),
    pytest.param("Connection", [], "No CONNECTION upgrade hdr: None", id="no connection"),
    pytest.param("Connection", ["close"], "No CONNECTION upgrade hdr: close", id="to be closed"),
    pytest.param("Sec-WebSocket-Version", [], "Unsupported version: ", id="no version"),
    pytest.param("Sec-WebSocket-Version", ["14"], "Unsupported version: 14", id="version 14"),
    pytest.param("Sec-WebSocket-Version", ["\xb2"], "Unsupported version: \xb2", id="no digit"),
    pytest.param("Sec-WebSocket-Key", [], "Handshake error: None", id="no key"),
    pytest.param("Sec-WebSocket-Key", [""], "Handshake error: ''", id="an empty key"),
    pytest.param("Sec-WebSocket-Key", ["YQ=="], "Handshake error: 'YQ=='", id="a short key"),
    pytest.param("Sec-WebSocket-Key", [KEY[:-1]], f"Handshake error: {KEY[:-1]!r}", id="a cut key"),
    pytest.param("Sec-WebSocket-Key", ["é" * 24], f"Handshake error: {'é' * 24!r}", id="no ASCII"),
    pytest.param(
        "Sec-WebSocket-Key",
        [f"{KEY[:8]} {KEY[8:]}"],
        f"Handshake error: '{KEY[:8]} {KEY[8:]}'",
        id="a space in the key",
    ),
    pytest.param("Sec-WebSocket-Key", [KEY, KEY], f"Handshake error: {KEY!r}", id="two keys"),
]


@pytest.mark.parametrize(("name", "values", "text"), BAD_FIELDS)
def test_bad_handshakes_are_refused_with_their_fault(
    name: str, values: list[str], text: str
) -> None:
    with pytest.raises(BadHandshake) as caught:
        check_handshake("GET", HttpVersion11, fields_with(name, *values))
    assert str(caught.value) == text


def test_a_refused_version_is_told_those_that_are_known() -> None:
    """RFC 6455 section 4.4."""
    with pytest.raises(BadHandshake) as caught:
        check_handshake("GET", HttpVersion11, fields_with("Sec-WebSocket-Version", "14"))
    assert caught.value.fields == {"Sec-WebSocket-Version": "13, 8, 7"}


@pytest.mark.parametrize(
    ("method", "version", "text"),
    [
        ("POST", HttpVersion11, "Handshake error: the method is POST, not GET"),
        ("GET", HttpVersion10, NO_UPGRADE.format("websocket")),
    ],
)
def test_a_handshake_is_a_get_of_http_1_1(method: str, version: Any, text: str) -> None:
    with pytest.raises(BadHandshake) as caught:
        check_handshake(method, version, CIMultiDict(GOOD))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("version", "upgrade", "wants"),
    [
        (HttpVersion11, ["websocket"], True),
        (HttpVersion11, ["WEBSOCKET, h2c"], True),
        (HttpVersion11, ["h2c"], False),
        (HttpVersion11, [], False),
        (HttpVersion10, ["websocket"], False),
    ],
)
def test_a_request_wants_a_websocket_however_badly(
    version: Any, upgrade: list[str], wants: bool
) -> None:
    fields = CIMultiDict([("Upgrade", value) for value in upgrade])
    assert wants_websocket(version, fields) is wants


# -- subprotocols ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        ([], []),
        (["chat"], ["chat"]),
        (["chat, superchat"], ["chat", "superchat"]),
        (["chat", "superchat,\tv2"], ["chat", "superchat", "v2"]),
        ([", ,chat,,"], ["chat"]),
        (["Chat, chat"], ["Chat", "chat"]),
    ],
)
def test_subprotocols_are_listed_in_the_order_of_the_client(
    values: list[str], offered: list[str]
) -> None:
    fields = CIMultiDict([("Sec-WebSocket-Protocol", value) for value in values])
    assert list_subprotocols(fields) == offered


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        (["a", "b"], ["b", "a"], "a"),
        (["c", "b"], ["b", "a"], "b"),
        (["B"], ["b"], None),
        ([], ["b"], None),
        (["a"], [], None),
    ],
)
def test_the_first_of_the_client_that_is_known_is_chosen(
    offered: list[str], known: list[str], chosen: str | None
) -> None:
    assert choose_subprotocol(offered, iter(known)) == chosen


# -- extensions ------------------------------------------------------------------------------------

EXTENSIONS = [
    pytest.param([], [], id="no field"),
    pytest.param([""], [], id="an empty field"),
    pytest.param(["foo"], [("foo", [])], id="a name"),
    pytest.param(["foo, bar"], [("foo", []), ("bar", [])], id="two"),
    pytest.param(["foo", "bar"], [("foo", []), ("bar", [])], id="two fields"),
    pytest.param([" foo\t,\tbar "], [("foo", []), ("bar", [])], id="blanks"),
    pytest.param([", ,foo,\t,bar,"], [("foo", []), ("bar", [])], id="empty elements"),
    pytest.param(["foo; a"], [("foo", [("a", None)])], id="a parameter"),
    pytest.param(["foo;a=1;b"], [("foo", [("a", "1"), ("b", None)])], id="parameters"),
    pytest.param(["foo ; a = 1"], [("foo", [("a", "1")])], id="blanks within"),
    pytest.param(['foo; a="1"'], [("foo", [("a", "1")])], id="a quoted value"),
    pytest.param(
        ["foo; a, foo; a=2, foo"],
        [("foo", [("a", None)]), ("foo", [("a", "2")]), ("foo", [])],
        id="alternatives",
    ),
    pytest.param(["foo; a; a"], [("foo", [("a", None), ("a", None)])], id="a parameter twice"),
]


def extensions_of(values: list[str]) -> Any:
    return parse_extensions(CIMultiDict([("Sec-WebSocket-Extensions", each) for each in values]))


@pytest.mark.parametrize(("values", "offers"), EXTENSIONS)
def test_extensions_are_parsed_in_the_order_of_the_client(values: list[str], offers: Any) -> None:
    assert extensions_of(values) == offers


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("foo bar", id="two words"),
        pytest.param("foo;", id="no parameter"),
        pytest.param("foo; a=", id="no value"),
        pytest.param('foo; a="', id="an open quote"),
        pytest.param('foo; a=""', id="an empty quote"),
        pytest.param('foo; a="x y"', id="no token in quotes"),
        pytest.param("; a", id="no name"),
        pytest.param("foo=1", id="a value of a name"),
        pytest.param("é", id="no ASCII"),
        pytest.param("foo\n", id="a line's end"),
    ],
)
def test_malformed_extensions_offer_nothing(value: str) -> None:
    assert extensions_of([value]) == []
    assert extensions_of(["good", value]) == []


tokens = st.text("abcXYZ019-_.!", min_size=1, max_size=8)
offers = st.lists(
    st.tuples(tokens, st.lists(st.tuples(tokens, st.none() | tokens), max_size=3)), max_size=4
)


@given(offers=offers, blank=st.sampled_from(["", " ", "\t "]), quoted=st.booleans())
def test_parse_after_dump_is_identity(offers: Any, blank: str, quoted: bool) -> None:
    def dump(value: str | None) -> str:
        if value is None:
            return ""
        return f'{blank}={blank}"{value}"' if quoted else f"{blank}={blank}{value}"

    items = (
        name + "".join(f"{blank};{blank}{key}{dump(value)}" for key, value in parameters)
        for name, parameters in offers
    )
    assert extensions_of([f"{blank},{blank}".join(items)]) == offers


@given(st.text('a;=, \t"é', max_size=40))
def test_any_field_is_parsed_or_offers_nothing(value: str) -> None:
    for name, parameters in extensions_of([value]):
        assert name == name.strip()
        assert all(key for key, _ in parameters)
