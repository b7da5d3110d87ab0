"""The bodies that applications answer with; apart from what asks for them, since each server loads
this at its start."""

__all__ = ["CHUNK", "CHUNKS", "GREETING", "JSON_BODY", "LARGE"]

KIB = 2**10
GREETING = "Hello, world!"
JSON_BODY = {"message": "Hello, world!", "ok": True, "number": 42, "items": [1, 2, 3]}
LARGE = b"z" * (64 * KIB)
CHUNK, CHUNKS = b"z" * KIB, 1000
