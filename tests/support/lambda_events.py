"""Events of AWS Lambda, as its gateways and balancers make them of requests."""

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

__all__ = ["EVENTS", "make_balancer_event", "make_http_event", "make_rest_event"]

# Any: an event is what `json.loads` gives.
Event = dict[str, Any]
Pairs = Iterable[tuple[str, str]]


def make_rest_event(method: str, target: str, pairs: Pairs, body: bytes | None = None) -> Event:
    """Make an event as a REST API of the API Gateway sends it (payload format 1.0)."""
    path, _, query = target.partition("?")
    headers = _gather(pairs)
    parameters = _gather(parse_qsl(query, keep_blank_values=True))
    return {
        "resource": "/{proxy+}",
        "path": unquote(path),
        "httpMethod": method,
        "headers": _take_last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _take_last(parameters) or None,
        "multiValueQueryStringParameters": parameters or None,
        "pathParameters": {"proxy": unquote(path).lstrip("/")},
        "requestContext": {
            "httpMethod": method,
            "path": unquote(path),
            "stage": "live",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        **_encode(body),
    }


def make_http_event(method: str, target: str, pairs: Pairs, body: bytes | None = None) -> Event:
    """Make an event as an HTTP API of the API Gateway sends it (payload format 2.0)."""
    path, _, query = target.partition("?")
    headers = _gather((name.lower(), value) for name, value in pairs)
    cookies = [each for value in headers.pop("cookie", ()) for each in value.split("; ")]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": query,
        **({"cookies": cookies} if cookies else {}),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "requestContext": {
            "http": {
                "method": method,
                "path": unquote(path),
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
            },
            "stage": "$default",
        },
        **_encode(body),
    }


def make_balancer_event(method: str, target: str, pairs: Pairs, body: bytes | None = None) -> Event:
    """Make an event as an Application Load Balancer sends it, which hands a query on as it came."""
    path, _, query = target.partition("?")
    arn = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/group/1"
    parameters = [part.partition("=")[::2] for part in query.split("&") if part]
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": method,
        "path": path,
        "multiValueQueryStringParameters": _gather(parameters),
        "multiValueHeaders": _gather((name.lower(), value) for name, value in pairs),
        "body": "" if body is None else base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
    }


EVENTS = {
    "api-gateway-v1": make_rest_event,
    "api-gateway-v2": make_http_event,
    "balancer": make_balancer_event,
}


def _gather(pairs: Pairs) -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return gathered


def _take_last(gathered: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in gathered.items()}


def _encode(body: bytes | None) -> Event:
    return {
        "body": None if body is None else base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
    }
