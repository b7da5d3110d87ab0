"""The list of expected differences holds nothing that is not there."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import aiohttp.web
import pytest

from differential import (
    test_answers,
    test_custom_routers,
    test_error_pages,
    test_files,
    test_forms,
    test_framings,
    test_http_exceptions,
    test_malformed,
    test_nesting,
    test_normalizing,
    test_precedence,
    test_requests,
    test_routes,
    test_routing,
)
from differential.codings import CODING_DIFFERENCES
from differential.differences import EXPECTED_DIFFERENCES, Difference
from differential.frame import Case, record
from differential.lives import LIFE_DIFFERENCES
from differential.messages import MESSAGE_DIFFERENCES
from differential.multipart_differences import MULTIPART_DIFFERENCES
from differential.objects import OBJECT_DIFFERENCES
from differential.outputs import OUTPUT_DIFFERENCES
from differential.outside import OUTSIDE_DIFFERENCES
from differential.payload_differences import PAYLOAD_DIFFERENCES
from differential.readings import READING_DIFFERENCES
from differential.running import RUNNING_DIFFERENCES
from differential.test_test_utils import TEST_UTILS_DIFFERENCES
from differential.websocket_differences import WEBSOCKET_DIFFERENCES

CASES: list[Case] = [
    *test_answers.CASES,
    *test_files.CASES,
    *test_forms.CASES,
    *test_framings.CASES,
    *test_custom_routers.CASES,
    *test_error_pages.CASES,
    *test_http_exceptions.CASES,
    *test_malformed.CASES,
    *test_nesting.CASES,
    *test_normalizing.CASES,
    *test_precedence.CASES,
    *test_requests.CASES,
    *test_routes.CASES,
    *test_routing.CASES,
]
# Those of transcripts, and those that are compared otherwise, each beside its tests.
ALL_DIFFERENCES = [
    *EXPECTED_DIFFERENCES,
    *LIFE_DIFFERENCES,
    *OBJECT_DIFFERENCES,
    *MESSAGE_DIFFERENCES,
    *test_error_pages.PAGE_DIFFERENCES,
    *WEBSOCKET_DIFFERENCES,
    *CODING_DIFFERENCES,
    *READING_DIFFERENCES,
    *MULTIPART_DIFFERENCES,
    *PAYLOAD_DIFFERENCES,
    *RUNNING_DIFFERENCES,
    *TEST_UTILS_DIFFERENCES,
    *OUTPUT_DIFFERENCES,
    *OUTSIDE_DIFFERENCES,
]
PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in EXPECTED_DIFFERENCES
    for pattern in difference.cases
]


def test_names_of_cases_are_unique() -> None:
    """The list refers to cases by name."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
async def test_each_pattern_still_has_a_difference(difference: Difference, pattern: str) -> None:
    """In one case of the pattern at least aiohttp's transcript is not what bascule's must be."""
    for case in CASES:
        if fnmatchcase(case.name, pattern):
            theirs = await record(aiohttp.web, case)
            rewritten = difference.rewrite(theirs, case.call.data)
            if case.view.of(rewritten) != case.view.of(theirs):
                return
    pytest.fail(f"nothing to rewrite for {difference.name!r} in {pattern!r}", pytrace=False)


def test_each_difference_is_told_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    told = readme.partition("### Differences from aiohttp")[2].partition("## Install")[0]
    rows = re.findall(r"^- (.+)\.$", told, re.M)
    assert [row[0].lower() + row[1:] for row in rows] == [
        difference.name[0].lower() + difference.name[1:] for difference in ALL_DIFFERENCES
    ]
