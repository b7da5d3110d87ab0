"""The cookies of a client: RFC 6265 on the standard library's jar."""

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping
from email.message import Message
from http.cookiejar import Cookie, CookiePolicy, DefaultCookiePolicy
from http.cookiejar import CookieJar as _StandardJar
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any, cast
from urllib.request import Request

from yarl import URL

__all__ = ["CookieJar", "dump_cookies", "parse_set_cookies"]


class CookieJar:
    """The cookies that a client has, and the rules by which it sends them.

    A cookie goes back to the host that set it, or to hosts below the domain that it named, on the
    paths and for the time that it asked for; a secure one over https alone. A host may name
    itself as domain, ``localhost`` too, or a domain above it that is not a single label.

    Names are those of aiohttp's ``CookieJar``; iterated over, it gives the standard library's
    ``http.cookiejar.Cookie`` objects.
    """

    def __init__(self) -> None:
        self._jar = _StandardJar(cast(CookiePolicy, _Policy()))

    def __len__(self) -> int:
        return len(self._jar)

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self._jar)

    def update_cookies(self, cookies: Mapping[str, str], url: URL) -> None:
        """Add cookies as if the host of `url` had set them, for all its paths."""
        for name, morsel in _make_cookies(cookies).items():
            self.take([f"{name}={morsel.coded_value}; Path=/"], url)

    def filter_cookies(self, url: URL) -> "SimpleCookie":
        """Give the cookies that a request for `url` gets, the most specific path first."""
        found: SimpleCookie = SimpleCookie()
        for name, coded in self._choose(url):
            if name not in found:
                _put(found, name, coded)
        return found

    def dump(self, url: URL, *, without: Container[str] = ()) -> str:
        """Write the Cookie field of a request for `url`, leaving out some names; empty where it
        gets none."""
        pairs = (pair for pair in self._choose(url) if pair[0] not in without)
        return "; ".join(f"{name}={coded}" for name, coded in pairs)

    def take(self, fields: Iterable[str], url: URL) -> None:
        """Take the Set-Cookie fields of an answer from `url`; those that it may not set, or that
        cannot be read, are ignored."""
        message = Message()
        for value in fields:
            message["Set-Cookie"] = value
        if not message:
            return
        self._jar.extract_cookies(_Answered(message), _ask(url))  # type: ignore[arg-type]  # it is asked for `info` alone

    def clear(self) -> None:
        """Forget every cookie."""
        self._jar.clear()

    def clear_domain(self, domain: str) -> None:
        """Forget the cookies of a domain and of those below it."""
        for cookie in list(self._jar):
            host = _plain_domain(cookie)
            if host in (domain, _jar_name(domain)) or host.endswith(f".{domain}"):
                self._jar.clear(cookie.domain, cookie.path, cookie.name)

    def _choose(self, url: URL) -> list[tuple[str, str]]:
        if next(iter(self._jar), None) is None:
            return []
        request = _ask(url)
        self._jar.add_cookie_header(request)
        field = request.get_header("Cookie")
        pairs = field.split("; ") if field else []
        return [(name, value) for name, _, value in (pair.partition("=") for pair in pairs)]


class _Policy(DefaultCookiePolicy):
    """The domains of RFC 6265, section 5.1.3 and 5.3; the rest is the standard library's.

    Its own rules are those of Netscape and RFC 2965, which leave no domain to ``localhost``.
    """

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        if not cookie.domain_specified:
            return True
        host, domain = _host_of(request), _plain_domain(cookie)
        return host == domain or (_is_below(host, domain) and "." in domain)

    def domain_return_ok(self, domain: str, request: Request) -> bool:
        return True  # judged for each cookie, below

    def return_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        if not cookie.domain_specified:
            return bool(cookie.domain == _jar_name(_host_of(request)))
        host, domain = _host_of(request), _plain_domain(cookie)
        return host == domain or _is_below(host, domain)


class _Answered:
    """An answer, as far as the standard library's jar looks at it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        return self._message


def _ask(url: URL) -> Request:
    return Request(str(url.with_fragment(None)))


def _host_of(request: Request) -> str:
    return URL(request.full_url, encoded=True).host_subcomponent or ""


def _jar_name(host: str) -> str:
    """Give the name by which the standard library's jar knows a host."""
    return host if "." in host else f"{host}.local"


def _plain_domain(cookie: Cookie) -> str:
    """Give a cookie's domain without the dot that the jar puts in front of one that was named."""
    return cookie.domain.removeprefix(".")


def _is_below(host: str, domain: str) -> bool:
    if not host.endswith(f".{domain}"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def dump_cookies(cookies: Mapping[str, str]) -> str:
    """Write cookies as the value of a Cookie field.

    Raises:
        CookieError: a name is not one of a cookie.
    """
    return "; ".join(f"{name}={m.coded_value}" for name, m in _make_cookies(cookies).items())


def parse_set_cookies(fields: Iterable[str]) -> SimpleCookie:
    """Read Set-Cookie fields; attributes that are unknown are left out, as is what is no cookie."""
    cookies: SimpleCookie = SimpleCookie()
    for field in fields:
        pair, *attributes = field.split(";")
        name, equals, coded = pair.partition("=")
        if equals and _put(cookies, name.strip(), coded.strip()):
            _set_attributes(cookies[name.strip()], attributes)
    return cookies


def _make_cookies(cookies: Mapping[str, str]) -> SimpleCookie:
    made: SimpleCookie = SimpleCookie()
    for name, value in cookies.items():
        made[name] = value
    return made


def _put(cookies: SimpleCookie, name: str, coded: str) -> bool:
    morsel: Morsel[Any] = Morsel()
    try:
        morsel.set(name, cookies.value_decode(coded)[0], coded)
    except CookieError:
        return False
    dict.__setitem__(cookies, name, morsel)
    return True


def _set_attributes(morsel: "Morsel[Any]", attributes: Iterable[str]) -> None:
    for attribute in attributes:
        name, equals, value = attribute.partition("=")
        name = name.strip().lower()
        if morsel.isReservedKey(name):
            morsel[name] = value.strip() if equals else True
