"""The program for ASGI hosts, and for bascule's command line: ``uvicorn matrix.native:app``."""

from bascule import web

from .rich_application import Settings, make_application

app: web.Application = make_application(web, Settings.from_environment())
