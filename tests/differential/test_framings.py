"""How an answer is framed is as in aiohttp, whatever it is made of: byte for byte."""

import logging
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from differential.frame import Call, Case, compare
from differential.framings import BODIES, FIELDS, FRAMED_STATUSES, WISHES, build_framings
from differential.pairwise import pairwise
from differential.requesting import PROTOCOLS, request

# Fields by which aiohttp may announce more than it sends, so that a client waits for the rest.
_ANNOUNCING = ("length", "long-length", "short-length", "chunks")


def _case(body: str, status: int, fields: str, wish: str, method: str, protocol: str) -> Case:
    target = f"/framed?body={body}&status={status}&fields={fields}&wish={wish}"
    data = request(method, target, protocol=protocol)
    goes_on = wish != "force-close" and protocol in ("1.1", "1.0-keep-alive")
    impatient = goes_on and fields in _ANNOUNCING and method != "HEAD"
    name = f"framed/{body}/{status}/{fields}/{wish}/{method}/{protocol}"
    return Case(name, build_framings, Call(data, impatient=impatient))


DIMENSIONS: dict[str, Any] = {
    "body": [*BODIES],
    "status": FRAMED_STATUSES,
    "fields": [*FIELDS],
    "wish": [*WISHES],
    "method": ("GET", "HEAD", "POST", "DELETE"),
    "protocol": [*PROTOCOLS],
}
_STATUSES = (0, 99, 100, 101, 103, 199, 299, 600, 999, 1000)


def _status_case(status: int, body: str) -> Case:
    target = f"/framed?body={body}&status={status}&fields=no-fields&wish=plain"
    call = Call(request(target=target), impatient=not 200 <= status <= 999)
    return Case(f"framed-status/{status}/{body}", build_framings, call)


CASES = [
    *(_case(**each) for each in pairwise(DIMENSIONS)),
    *(_status_case(*each) for each in product(_STATUSES, ("none", "text", "stream"))),
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are expected of aiohttp here; their tracebacks would show its source."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answers_are_framed_as_by_aiohttp(case: Case) -> None:
    await compare(case)
