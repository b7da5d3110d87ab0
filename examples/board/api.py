"""The JSON interface, below ``/api``."""

from dataclasses import asdict

from bascule import web

from .drafts import draft_from_json
from .lookup import find_paste, page_number, paste_id
from .storage import STORAGE

__all__ = ["routes"]

routes = web.RouteTableDef()


@routes.get("/healthz")
async def health(request: web.Request) -> web.Response:
    """Answer as long as requests are served."""
    return web.json_response({"status": "ok"})


@routes.get("/api/pastes")
async def list_pastes(request: web.Request) -> web.Response:
    """List a page of the pastes, newest first."""
    return web.json_response(asdict(await request.app[STORAGE].page(page_number(request))))


@routes.post("/api/pastes")
async def create_paste(request: web.Request) -> web.Response:
    """Store a paste and answer with its address."""
    new_id = await request.app[STORAGE].add(await draft_from_json(request))
    return web.json_response(
        {"id": new_id}, status=201, headers={"Location": f"/api/pastes/{new_id}"}
    )


@routes.view(r"/api/pastes/{id:\d+}")
class PasteView(web.View):
    """One paste; the framework answers other methods with 405."""

    async def get(self) -> web.Response:
        """Show the paste, without the content of its file."""
        return web.json_response(asdict(await find_paste(self.request)))

    async def delete(self) -> web.Response:
        """Delete the paste and its file."""
        if not await self.request.app[STORAGE].delete(paste_id(self.request)):
            raise web.HTTPNotFound(text="There is no such paste.")
        return web.Response(status=204)
