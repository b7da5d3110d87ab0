"""Print the table of advisories, in Markdown: ``python -m tests.advisories``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from advisories.table import ADVISORIES, find_tests

    tests = find_tests()
    print("| advisory | project | what went wrong there | shown by |")  # noqa: T201
    print("|---|---|---|---|")  # noqa: T201
    for each in ADVISORIES:
        shown = each.left_out or ", ".join(
            f"`{name}`" for name in dict.fromkeys(tests[each.identifier])
        )
        print(f"| {each.identifier} | {each.project} | {each.what} | {shown} |")  # noqa: T201
