"""Serve the chat on the command line: ``python -m examples.chat``."""

import argparse

from bascule import web

from . import create_app


def main() -> None:
    """Serve until interrupted; open sockets are told so with 1001."""
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description="Serve the chat")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=8080, type=int, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--database", default="chat.sqlite3", metavar="PATH", help="keeps the history (%(default)s)"
    )
    options = parser.parse_args()
    web.run_app(
        create_app(options.database), host=options.host, port=options.port, shutdown_timeout=5
    )


if __name__ == "__main__":
    main()
