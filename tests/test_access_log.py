"""The access log: aiohttp's format language, one line for each answer."""

import logging
import os
import re
from typing import Any

import aiohttp.web
import pytest
from multidict import CIMultiDict

from bascule import web
from bascule.testing import MemoryExchange
from support.requests import GET, app_of, ok, request
from support.wire import serve


class Answered:
    """What a logger asks of a response."""

    status = 418
    body_length = 42
    headers = CIMultiDict({"X-Out": "o"})


def made() -> web.Request:
    fields = {"User-Agent": "me", "X-In": "i"}
    return web.Request(MemoryExchange("GET", "/p?q=1", fields=fields))


FORMATS = {
    "%a": "127.0.0.1",
    "%P": f"<{os.getpid()}>",
    "%r": "GET /p?q=1 HTTP/1.1",
    "%s %b": "418 42",
    "%T %Tf %D": "1 1.234567 1234567",
    "%{X-In}i %{x-in}i %{None}i": "i i -",
    "%{X-Out}o %{None}o": "o -",
    "100%% %a": "100% 127.0.0.1",
    "%q %{X-In}z": "%q %{X-In}z",
    "text": "text",
}


@pytest.mark.parametrize(("log_format", "line"), FORMATS.items())
async def test_formats(log_format: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = web.AccessLogger(logging.getLogger("x"), log_format)
    logger.log(made(), Answered(), 1.2345671)  # type: ignore[arg-type]  # a stand-in
    assert caplog.messages == [line]


async def test_values_are_in_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = web.AccessLogger(logging.getLogger("x"), "%a %t %s %{User-Agent}i %{X-In}i %{X-Out}o")
    logger.log(made(), Answered(), 1.0)  # type: ignore[arg-type]  # a stand-in
    record: Any = caplog.records[0]
    assert record.remote_address == "127.0.0.1"
    assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", record.request_start_time)
    assert record.response_status == 418
    assert record.request_header == {"User-Agent": "me", "X-In": "i"}
    assert record.response_header == {"X-Out": "o"}


async def test_an_error_in_logging_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    logger = web.AccessLogger(logging.getLogger("x"), "%s")
    logger.log(made(), object(), 1.0)  # type: ignore[arg-type]  # what is wrong about it
    assert caplog.messages == ["Error in logging"]


def test_the_default_format_is_that_of_aiohttp() -> None:
    assert web.AccessLogger.LOG_FORMAT == aiohttp.web.AccessLogger.LOG_FORMAT


async def test_one_line_for_each_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.access")
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(GET + request("/%1b", "User-Agent: a\x80b"))
    assert len(caplog.messages) == 2
    assert '"GET / HTTP/1.1" 200 ' in caplog.messages[0]
    assert all(message.isprintable() for message in caplog.messages)
    sizes = [re.findall(r"\" 200 (\d+) ", message) for message in caplog.messages]
    assert sum(int(size) for (size,) in sizes) == len(answer)


class Custom(web.AbstractAccessLogger):
    """Writes what it is told of into a list."""

    told: list[tuple[str, int]] = []
    wanted = True

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.told.append((request.path, response.status))

    @property
    def enabled(self) -> bool:
        return self.wanted


async def test_custom_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(app_of(ok), access_log_class=Custom) as served:
        await served.exchange(GET)
    assert Custom.told == [("/", 200)]
    monkeypatch.setattr(Custom, "wanted", False)
    async with serve(app_of(ok), access_log_class=Custom) as served:
        await served.exchange(GET)
    assert len(Custom.told) == 1
