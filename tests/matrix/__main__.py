"""Run the matrix: ``python -m tests.matrix``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from matrix.command import main

    sys.exit(main())
