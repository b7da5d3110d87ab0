"""The names of ``aiohttp.test_utils``, for applications of bascule."""

from .testing.cases import AioHTTPTestCase, unittest_run_loop
from .testing.loops import loop_context, setup_test_loop, teardown_test_loop
from .testing.mocked import make_mocked_coro, make_mocked_request
from .testing.ports import get_port_socket, get_unused_port_socket, unused_port
from .testing.testclient import TestClient
from .testing.testserver import BaseTestServer, RawTestServer, TestServer

__all__ = [
    "AioHTTPTestCase",
    "BaseTestServer",
    "RawTestServer",
    "TestClient",
    "TestServer",
    "get_port_socket",
    "get_unused_port_socket",
    "loop_context",
    "make_mocked_coro",
    "make_mocked_request",
    "setup_test_loop",
    "teardown_test_loop",
    "unittest_run_loop",
    "unused_port",
]
