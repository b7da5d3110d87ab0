"""bascule's application for granian's worker, which imports it by name."""

from bascule import web

from .apps_web import make
from .serving import Place

app = make(web, Place(-1))
