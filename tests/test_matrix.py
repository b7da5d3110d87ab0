"""A part of the matrix, so that it keeps running; ``python -m tests.matrix`` runs the whole."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from bascule import web
from matrix.black_box import LIFE, NAMES, Oracle, Outcome, run_host
from matrix.checks import CHECKS
from matrix.command import BEGIN, END, make_reasons, make_table, write_between
from matrix.hosts import HOSTS
from matrix.reasons import REASONS, reasons_of
from matrix.rich_application import Settings, make_application
from matrix.rich_files import make_files

PLAIN = [name for name, host in HOSTS.items() if host.is_plain]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Know what aiohttp shows; asked once."""
    files = tmp_path_factory.mktemp("files")
    make_files(files)
    oracle = Oracle(files, [LIFE, *(name for name, each in CHECKS.items() if not each.slow)])
    asyncio.run(oracle.ask(False))
    return oracle


# A key of requests is text there, as in most programs: mangum's are run in this process.
@pytest.mark.filterwarnings("ignore:It is recommended to use web.RequestKey")
@pytest.mark.parametrize("name", PLAIN)
async def test_a_host_shows_what_aiohttp_shows(
    name: str, oracle: Oracle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # handlers fail because they are asked to
    outcomes = await run_host(HOSTS[name], oracle)
    reasons = reasons_of(name)
    asked = {each: outcome for each, outcome in outcomes.items() if not outcome.missing}
    failing = {each for each, outcome in asked.items() if not outcome.passed}
    may_fail = {each for each, reason in reasons.items() if not reason.always}
    stale = reasons.keys() & asked.keys() - failing - may_fail
    for each in failing - reasons.keys():
        assert asked[each].seen == asked[each].expected, each
    assert stale == set()


def test_reasons_are_about_checks_and_hosts_that_there_are() -> None:
    for reason in REASONS:
        assert {*reason.checks} <= {*NAMES}
        assert {*reason.hosts} <= {*HOSTS}


def test_a_pair_of_check_and_host_has_one_reason() -> None:
    pairs = [(check, host) for each in REASONS for check in each.checks for host in each.hosts]
    assert len(pairs) == len({*pairs})


def test_the_application_has_at_least_forty_endpoints() -> None:
    app = make_application(web, Settings(Path(__file__).parent, Path("life")))
    routes = {(route.method, str(route.resource)) for route in app.router.routes()}
    assert len(routes) >= 40


OUTCOMES: Mapping[str, Mapping[str, Outcome]] = {
    "own": {"query": Outcome("a", "a"), "view": Outcome("a", "b")},
    "mangum": {"query": Outcome("a", "b"), "view": Outcome(missing="because")},
}


def test_the_table_counts_what_was_asked() -> None:
    assert make_table(OUTCOMES).splitlines()[2:] == [
        f"| {HOSTS['own'].title} | 1/2 |  |",
        f"| {HOSTS['mangum'].title} | 0/1 | 1 |",
    ]


def test_reasons_are_those_of_the_hosts_that_were_asked() -> None:
    text = make_reasons({"mangum": {}})
    assert "*view, query*" in text
    assert "daphne" not in text


def test_the_table_is_put_between_its_marks() -> None:
    text = write_between(f"a\n{BEGIN}\nold\n{END}\nb", "new")
    assert text == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(ValueError, match="lacks the marks"):
        write_between("no marks", "new")
