"""Run the comparison: ``python -m tests.benchmarks``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from benchmarks.command import main

    sys.exit(main())
