"""Sending requests to an application in memory, and following its redirections."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

from .answers import Answer
from .cookies import CookieJar, dump_cookies
from .errors import RequestInfo, TooManyRedirects, WSServerHandshakeError
from .hosting import Call, Hosting
from .outgoing import Outgoing
from .redirects import follow, is_redirect
from .socket import ClientSocket
from .streamed import StreamedExchange
from .upload import Upload

__all__ = ["Sender", "Sending"]


@dataclass(frozen=True, slots=True)
class Sender:
    """What all requests of a client have in common.

    Attributes:
        hosting: answers them.
        cookie_jar: gives them cookies, and takes those of their answers.
        facts: root_path and extra, as of `MemoryExchange`.
        raises: what the application did not handle is raised, not answered.
    """

    hosting: Hosting
    cookie_jar: CookieJar
    facts: Mapping[str, Any]  # Any: a string, and a mapping of what transports give
    raises: bool

    async def connect(self, request: Outgoing, timeout: float | None) -> ClientSocket:
        """Have a WebSocket opened.

        Args:
            request: the handshake.
            timeout: seconds until it is; also of the socket.

        Raises:
            WSServerHandshakeError: the application has answered otherwise.
            TimeoutError: it has not answered in time.
        """
        sending = Sending(self, timeout, is_stream=True)
        answer = await sending.run(request, None)
        exchange = answer.call.exchange
        if exchange.channel is None:
            async with answer:
                body = await answer.read()
                refusal = answer.complain(WSServerHandshakeError, "Invalid response status")
                refusal.body = body
                raise refusal
        return ClientSocket(
            answer.call, exchange.channel, answer, timeout=timeout, raises=self.raises
        )

    def begin(self, request: Outgoing, *, is_stream: bool, timeout: float | None) -> Call:
        """Begin to have a request answered.

        Args:
            request: what is asked.
            is_stream: let writes wait for reads of the answer.
            timeout: seconds for each read of a stream.
        """
        url, body = request.url, request.body
        upload: Upload | None = None
        if body is not None and not isinstance(body, bytes):
            upload = Upload(body, request.length)
            body = upload.reader
        extra = {"sockname": ("127.0.0.1", url.port), **self.facts["extra"]}
        exchange = StreamedExchange(
            request.method,
            url.raw_path_qs,
            fields=self._make_fields(request),
            body=body,
            read_timeout=timeout if is_stream else None,
            is_stream=is_stream,
            facts={
                **self.facts,
                "scheme": url.scheme,
                "extra": extra,
                "websocket": request.is_handshake,
            },
        )
        exchange.raises_error = self.raises
        return self.hosting.begin(exchange, upload)

    def _make_fields(self, request: Outgoing) -> CIMultiDict[str]:
        url = request.url
        fields: CIMultiDict[str] = CIMultiDict()
        if "Host" not in request.headers:
            fields["Host"] = url.host_port_subcomponent or ""
        fields.extend(request.headers)
        if "Cookie" not in fields and (value := self._dump_cookies(request)):
            fields["Cookie"] = value
        return fields

    def _dump_cookies(self, request: Outgoing) -> str:
        """Write the Cookie field; a cookie of the request itself goes before one of the jar."""
        cookies = self.cookie_jar.dump(request.url, without=request.cookies)
        return "; ".join(filter(None, [cookies, dump_cookies(request.cookies)]))


class Sending:
    """A request of a user from its first sending to its answer, redirections included.

    Args:
        sender: sends it.
        timeout: seconds to the answer; None for no limit.
        is_stream: give the answer at its head, not at its end.
    """

    def __init__(self, sender: Sender, timeout: float | None, is_stream: bool) -> None:
        self._sender = sender
        self._timeout = timeout
        self._is_stream = is_stream
        self._deadline: float | None = None
        if timeout is not None:
            self._deadline = asyncio.get_running_loop().time() + timeout
        self._history: tuple[Answer, ...] = ()

    async def run(self, request: Outgoing, max_redirects: int | None) -> Answer:
        """Give the answer to a request, or to the last one that follows from it.

        Args:
            request: the first.
            max_redirects: how many redirections are followed; None for none, nor is there an error.
        """
        while True:
            answer = await self._send(request)
            location = answer.headers.get("Location")
            if max_redirects is None or location is None or not is_redirect(answer.status):
                return answer
            async with answer:
                if len(self._history) >= max_redirects:
                    message = f"More than {max_redirects} redirections"
                    raise answer.complain(TooManyRedirects, message)
                request = follow(request, answer.status, location)
            self._history = (*self._history, answer)

    async def _send(self, request: Outgoing) -> Answer:
        """Send one request; give its answer."""
        call = self._sender.begin(request, is_stream=self._is_stream, timeout=self._timeout)
        try:
            async with asyncio.timeout_at(self._deadline) as limit:
                return await self._receive(call, request)
        except BaseException:
            call.leave()
            if limit.expired():
                call.cancel()
                done = "done with" if call.exchange.complete else "answered"
                what = f"{request.method} {request.url} was not {done} within {self._timeout} s"
                raise TimeoutError(what) from None
            raise

    async def _receive(self, call: Call, request: Outgoing) -> Answer:
        exchange = call.exchange
        await exchange.answered
        answer = None if exchange.answer is None else self._take(call, request)
        if answer is not None and self._is_stream:
            _raise_errors(exchange)
            return answer
        failure: Exception | None = None
        try:
            await exchange.content.wait_eof()
        except Exception as exc:  # raised below, unless there is a better one
            failure = exc
            call.leave()
        await call.ended()
        _raise_errors(exchange)
        if failure is not None:
            raise failure
        assert answer is not None  # what has no answer has no end
        return answer

    def _take(self, call: Call, request: Outgoing) -> Answer:
        """Make the answer of its head, and take its cookies."""
        exchange = call.exchange
        assert exchange.answer is not None  # asked for by the caller
        info = RequestInfo(
            request.url.with_fragment(None), request.method, exchange.head.fields, request.url
        )
        answer = Answer(call, exchange.answer, info, self._history)
        cookies = answer.headers.getall("Set-Cookie", ())
        self._sender.cookie_jar.take(cookies, request.url)
        return answer


def _raise_errors(exchange: StreamedExchange) -> None:
    """Raise what the application raised, where that is the client's to know."""
    if exchange.interrupt is not None:
        raise exchange.interrupt
    if exchange.raises_error and exchange.error is not None:
        raise exchange.error
