"""Every shape of answer leaves bascule as it leaves aiohttp, byte for byte."""

from itertools import product

import pytest

from differential.frame import Call, Case, compare
from differential.pairwise import pairwise
from differential.requesting import PROTOCOLS, request
from differential.shapes import EXTRAS, KINDS, SHAPES, STATUSES, build

METHODS = ("GET", "HEAD", "POST")
# Shapes of which aiohttp announces more than it sends, so that a client waits for the rest.
SHORT = (
    "stream-with-length-too-short",
    "stream-transfer-encoding-header",
    "response-length-header-too-short",
    "response-length-header-without-body",
)


def _shape_case(shape: str, method: str, protocol: str) -> Case:
    data = request(method, f"/shape/{shape}", protocol=protocol)
    impatient = shape in SHORT and method != "HEAD" and protocol in ("1.1", "1.0-keep-alive")
    return Case(f"shape/{shape}/{method}/{protocol}", build, Call(data, impatient=impatient))


def _made_case(kind: str, status: int, extra: str, method: str, protocol: str) -> Case:
    target = f"/made?kind={kind}&status={status}&extra={extra}"
    data = request(method, target, protocol=protocol)
    return Case(f"made/{kind}/{status}/{extra}/{method}/{protocol}", build, Call(data))


CASES = [
    *(_shape_case(*each) for each in product(SHAPES, METHODS, PROTOCOLS)),
    *(
        _made_case(**each)
        for each in pairwise(
            {
                "kind": KINDS,
                "status": STATUSES,
                "extra": list(EXTRAS),
                "method": METHODS,
                "protocol": list(PROTOCOLS),
            }
        )
    ),
    *(
        Case(
            f"error-page/{shape}/{name}",
            build,
            Call(request(target=f"/shape/{shape}", fields={"Accept": accept})),
        )
        for shape in (
            "raise-value-error",
            "raise-timeout-error",
            "raise-500",
            "raise-404",
            "returned-none",
        )
        for name, accept in {
            "html": "text/html",
            "among-others": "application/xml;q=0.9, text/html;q=0.1",
            "json": "application/json",
            "any": "*/*",
            "upper-case": "TEXT/HTML",
        }.items()
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answers_are_those_of_aiohttp(case: Case) -> None:
    """A raw conversation on both servers gives the same bytes."""
    await compare(case)
