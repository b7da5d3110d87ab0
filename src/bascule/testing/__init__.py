"""Tools for tests: an exchange in memory, without sockets."""

from .channel import MemoryChannel
from .memory import MemoryExchange

__all__ = ["MemoryChannel", "MemoryExchange"]
