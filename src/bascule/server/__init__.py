"""Bytes to exchanges and back: the asyncio HTTP/1.1 server. h11 is imported here only."""
