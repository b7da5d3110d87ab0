"""Starlette's application for granian's worker, which imports it by name."""

from .apps_starlette import make
from .serving import Place

app = make(Place(-1))
