"""Programs for ASGI hosts: the matrix's application mounted in applications of others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from .native import app as native
from .programs import PREFIX


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    """Its life is held by the outer application's."""
    async with native:
        yield


in_starlette = Starlette(routes=[Mount(PREFIX, native)], lifespan=_lifespan)
in_fastapi = FastAPI(lifespan=_lifespan)
in_fastapi.mount(PREFIX, native)
