"""The application for Django, which has an ASGI face and a WSGI face."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

import bascule

# Once in a process; what Django would change of that process is turned off.
settings.configure(ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, ROOT_URLCONF=__name__, SECRET_KEY="x")


@require_POST
async def add(request: HttpRequest) -> HttpResponseBase:
    numbers = json.loads(request.body)
    total = numbers["a"] + numbers["b"]
    return JsonResponse({"sum": total, "left": "state", "url": reverse("add")})


def upload(request: HttpRequest) -> HttpResponseBase:
    file: Any = request.FILES["file"]
    return JsonResponse([file.name, file.size], safe=False)


def stream(request: HttpRequest) -> HttpResponseBase:
    def lines() -> Iterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number

    async def async_lines() -> AsyncIterator[bytes]:
        for line in lines():
            yield line

    content = async_lines() if isinstance(request, ASGIRequest) else lines()
    return StreamingHttpResponse(content, content_type="text/plain")


urlpatterns = [path("json", add, name="add"), path("upload", upload), path("stream", stream)]


def make(log: list[str]) -> Any:
    return get_asgi_application()


def make_wsgi(log: list[str]) -> Any:
    return bascule.wsgi(get_wsgi_application())
