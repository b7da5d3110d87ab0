"""Compare the lane with the parser beside it, over many generated heads and cut points.

    PYTHONPATH=tests python -m benchmarks.lane_equivalence [--heads 1000000] [--seed 0]

Each head is read by both, whole and cut in two at a random place. It ends with status 1 at the
first head that they do not agree on, which it prints.
"""

import argparse
import random
import sys
import time

from support.heads import choose_limits, compare, compare_pieces, make_head

__all__ = ["main"]

_REPORTS = 10


def main() -> int:
    """Run the comparison that the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(description="Compare the lane with the parser beside it.")
    parser.add_argument("--heads", type=int, default=1_000_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the generator")
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    begun, taken = time.monotonic(), 0
    for number in range(1, arguments.heads + 1):
        data, limits = make_head(generator), choose_limits(generator)
        try:
            taken += compare(data, limits)
            compare_pieces(data, generator.randrange(len(data) + 1), limits)
        except AssertionError as exc:
            print(f"head {number}: {exc}")
            return 1
        if number % max(1, arguments.heads // _REPORTS) == 0:
            seconds = time.monotonic() - begun
            share = taken / number
            print(f"{number} heads and cuts, the lane took {taken} ({share:.1%}), {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
