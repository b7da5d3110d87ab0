"""Answers that are JSON."""

import json
from collections.abc import Callable
from typing import Any

from .response import Response
from .response_head import LooseHeaders

__all__ = ["json_bytes_response", "json_response"]

_MISSING: Any = object()  # stands for "not given" where None has a meaning


def json_response(
    data: Any = _MISSING,
    *,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
    dumps: Callable[[Any], str] = json.dumps,
) -> Response:
    """Make a response of data as JSON, or of a text or body that is JSON already.

    Raises:
        ValueError: more than one of data, text and body is given.
    """
    if data is not _MISSING:
        if text or body:
            raise ValueError("only one of data, text, or body should be specified")
        text = dumps(data)
    return Response(
        text=text,
        body=body,
        status=status,
        reason=reason,
        headers=headers,
        content_type=content_type,
    )


def json_bytes_response(
    data: Any = _MISSING,
    *,
    dumps: Callable[[Any], bytes],
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
) -> Response:
    """Make a response of data as JSON by an encoder that gives bytes, or of a body that is JSON.

    Raises:
        ValueError: both data and body are given.
    """
    if data is not _MISSING:
        if body is not None:
            raise ValueError("only one of data or body should be specified")
        body = dumps(data)
    return Response(
        body=body, status=status, reason=reason, headers=headers, content_type=content_type
    )
