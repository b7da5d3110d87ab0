"""The rules for ASGI servers have their tests."""

from support.server_rules import NUMBERS, list_tests


def test_each_rule_is_shown_by_a_test_in_words() -> None:
    """Each number is in the name of a test, no other is, and the test says its rule."""
    tests = [(number, rule) for _, numbers, rule in list_tests() for number in numbers]
    assert {number for number, _ in tests} == set(NUMBERS)
    assert all(rule for _, rule in tests)
