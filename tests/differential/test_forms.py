"""Forms made by curl, httpx, aiohttp, Chromium and `email` are read as by aiohttp."""

from fnmatch import fnmatchcase

import pytest

from differential.forms import REQUESTS, build_forms
from differential.frame import Call, Case, compare
from differential.transcript import View

# What one of the two refuses, so that the words of its answer are its own.
_REFUSED = (
    "post/curl*/several-in-one",
    "post/curl*/nested",
    "post/aiohttp*/nested-in-form",
    "multipart/email*/folded",
    "*/Chromium*/form-charset",
    "*/Chromium*/form-multipart-latin-1",
)


def _view(name: str) -> View:
    refused = any(fnmatchcase(name, pattern) for pattern in _REFUSED)
    return View.OUTCOME if refused else View.BYTES


CASES = [
    Case(f"forms/{name}", build_forms, Call(data), _view(name)) for name, data in REQUESTS.items()
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_forms_of_real_clients_are_read_as_by_aiohttp(case: Case) -> None:
    await compare(case)
