"""Tools for tests: an exchange in memory, without sockets and without a server."""

from .memory import MemoryChannel, MemoryExchange

__all__ = ["MemoryChannel", "MemoryExchange"]
