"""Serve the board on the command line: ``python -m examples.board``."""

import argparse

from bascule import web

from . import create_app
from .storage import default_database


def main() -> None:
    """Serve until interrupted."""
    options = _parse_options()
    print(f"Pastes are kept in {options.database}")
    web.run_app(create_app(options.database), host=options.host, port=options.port)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.board", description="Serve the board")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=8080, type=int, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--database",
        default=str(default_database()),
        metavar="PATH",
        help="SQLite file that keeps the pastes (%(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
