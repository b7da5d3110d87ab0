"""Compare servers by how strict they are: ``python -m tests.strictness``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from strictness.command import main

    sys.exit(main())
