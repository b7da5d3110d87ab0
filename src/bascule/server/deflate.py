"""Compression of WebSocket messages (RFC 7692), negotiated and made when it is first used."""

import sys
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from websockets.exceptions import NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.base import Extension as Coder
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import CTRL_OPCODES, Frame, Opcode

from ..wire.handshake import Extension
from .options import DeflateSettings

# What a sender takes off the end of a message (RFC 7692 section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
_FLUSH: Final = zlib.Z_SYNC_FLUSH

# Blocks marked as the last of their stream that one frame may have; each costs a copy of the rest.
# Senders that mark them do so at the end of a message.
_MAX_STREAMS = 32

__all__ = ["Deflate", "DeflateSettings", "negotiate"]


def negotiate(offers: Iterable[Extension], settings: DeflateSettings) -> "Deflate | None":
    """Take the first usable offer of permessage-deflate; None if there is none."""
    factory = ServerPerMessageDeflateFactory(
        server_max_window_bits=settings.window_bits,
        client_max_window_bits=settings.window_bits,
        compress_settings={"memLevel": settings.memory_level},
    )
    for name, parameters in offers:
        if name.lower() != factory.name:
            continue
        try:
            answer, agreed = factory.process_request_params(parameters, [])
        except NegotiationError:
            continue
        pairs = "".join(f"; {n}" if v is None else f"; {n}={v}" for n, v in answer)
        return Deflate(f"{factory.name}{pairs}", agreed, settings)
    return None


class Deflate(Coder):
    """What was agreed on for one connection. Each direction takes memory from its first compressed
    message on.

    Attributes:
        answer: value of the Sec-WebSocket-Extensions field.
        window_bits: of what is sent.
    """

    def __init__(self, answer: str, agreed: PerMessageDeflate, settings: DeflateSettings) -> None:
        self.answer = answer
        self.window_bits = agreed.local_max_window_bits
        self._settings = settings
        self._fresh_in = agreed.remote_no_context_takeover
        self._fresh_out = agreed.local_no_context_takeover
        self._bits_in = agreed.remote_max_window_bits
        self._inflater: _Inflater | None = None
        # Whether the message whose frames come is compressed.
        self._inflating = False
        self._deflater: Any = None  # Any: zlib does not name the type of its compressors

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Inflate a frame; plain ones and those of control stay as they are.

        Raises:
            PayloadTooBig: it is of more than `max_size` bytes, of which no more were made.
            ProtocolError: it is not compressed data.
        """
        if frame.opcode in CTRL_OPCODES:
            return frame
        if frame.opcode is not Opcode.CONT:
            self._inflating = frame.rsv1
        elif frame.rsv1:
            raise ProtocolError("RSV1 bit set in continuation frame")
        if not self._inflating:
            return frame
        if self._inflater is None or (self._fresh_in and frame.opcode is not Opcode.CONT):
            self._inflater = _Inflater(self._bits_in)
        data = self._inflater.inflate(
            bytes(frame.data) + _TAIL if frame.fin else bytes(frame.data), max_size
        )
        return replace(frame, data=data, rsv1=False)

    def decode_message(self, data: bytes, max_size: int) -> bytes:
        """Inflate the only frame of a compressed message; see `decode`."""
        inflater = self._inflater
        if inflater is None or self._fresh_in:
            inflater = self._inflater = _Inflater(self._bits_in)
        return inflater.inflate(data + _TAIL, max_size)

    def encode_message(self, data: Any, window_bits: int | None = None) -> bytes:
        """Compress a whole message.

        Args:
            data: a buffer.
            window_bits: for this message, where not the agreed ones; no more than those are used.
        """
        deflater = self._deflater
        if deflater is None or window_bits is not None:
            deflater = self._choose_deflater(window_bits)
        if type(data) is not bytes and isinstance(data, memoryview) and not data.c_contiguous:
            data = data.tobytes()
        made: bytes = deflater.compress(data) + deflater.flush(_FLUSH)
        return made.removesuffix(_TAIL)

    def _choose_deflater(self, window_bits: int | None) -> Any:
        """Give the compressor of one message, and keep it for the next one if that may use it."""
        if window_bits is not None and window_bits < self.window_bits:
            # The next message must not refer to what this compressor has not seen.
            self._deflater = None
            return self._make_deflater(max(window_bits, 9))
        deflater = self._deflater or self._make_deflater(self.window_bits)
        self._deflater = None if self._fresh_out else deflater
        return deflater

    def _make_deflater(self, window_bits: int) -> Any:
        settings = self._settings
        return zlib.compressobj(settings.level, zlib.DEFLATED, -window_bits, settings.memory_level)


class _Inflater:
    """Inflates what one side of a connection sends.

    The decoder of the library goes silent behind a block that is marked as the last of its stream,
    which may stand in any message (RFC 7692 section 7.2.3.4); here another stream begins there.
    """

    def __init__(self, window_bits: int) -> None:
        self._bits = window_bits
        self._stream = zlib.decompressobj(-window_bits)

    def inflate(self, data: bytes, max_size: int | None) -> bytes:
        """Inflate one frame.

        Args:
            data: its payload, with what its sender has taken off where it ends its message.
            max_size: most bytes that are made of it.

        Raises:
            PayloadTooBig: it is of more.
            ProtocolError: it is not compressed data.
        """
        stream = self._stream
        # zlib takes 0 for no limit, and nothing that is longer than memory.
        room = 0 if max_size is None or max_size >= sys.maxsize else max_size + 1
        try:
            first = stream.decompress(data, room)
        except zlib.error as exc:
            raise ProtocolError("decompression failed") from exc
        if len(first) == room and room:
            raise PayloadTooBig(None, max_size)
        return self._go_on(first, max_size) if stream.eof else first

    def _go_on(self, first: bytes, max_size: int | None) -> bytes:
        """Inflate the streams behind a block that was marked as the last."""
        made = bytearray(first)
        streams = 1
        try:
            while self._stream.eof:
                rest = self._stream.unused_data
                window = bytes(made[-(1 << self._bits) :])
                self._stream = zlib.decompressobj(-self._bits, zdict=window)
                if not rest or rest == _TAIL:  # its sender has left out the empty block in front
                    break
                streams += 1
                if streams > _MAX_STREAMS:
                    raise ProtocolError("too many final blocks in one frame")
                room = 0 if max_size is None else min(max_size - len(made) + 1, sys.maxsize)
                made += self._stream.decompress(rest, room)
                if max_size is not None and len(made) > max_size:
                    raise PayloadTooBig(None, max_size)
        except zlib.error as exc:
            raise ProtocolError("decompression failed") from exc
        return bytes(made)
