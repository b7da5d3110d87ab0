"""The compression of one response's body, from the wish to its last byte."""

from typing import Final

from ..wire.coding import ContentCoding, Encoder, choose_coding, is_installed, make_encoder
from ..wire.framing import has_no_content
from .deprecation import warn_deprecated

__all__ = ["Compression"]

# What is chosen from when nothing is forced, in this order, as in aiohttp.
_CHOICE: Final = (ContentCoding.deflate, ContentCoding.gzip, ContentCoding.identity)


class Compression:
    """That a response is to be compressed, if the client accepts it.

    Args:
        force: a coding that is used whatever the client accepts; None for the first of deflate and
            gzip that it accepts. A bool is deprecated, and stands for None.
        strategy: of zlib.
        is_live: let each piece that is written be readable at once, not when there is enough to
            compress well.

    Attributes:
        coding: the name of the coding that was chosen; None for none.

    Raises:
        AssertionError: `force` is something else.
        RuntimeError: it is a coding whose library is not installed.
    """

    __slots__ = ("_encoder", "_force", "_is_live", "_strategy", "coding")

    def __init__(
        self,
        force: bool | ContentCoding | None = None,
        strategy: int | None = None,
        *,
        is_live: bool = False,
    ) -> None:
        if isinstance(force, bool):
            warn_deprecated("Using boolean for force is deprecated #3318")
        elif force is not None and not isinstance(force, ContentCoding):
            raise AssertionError("force should one of None, bool or ContentEncoding")
        elif force is not None and not is_installed(force):
            raise RuntimeError(f"The library of the content coding {force.value} is not installed")
        self._force = force if isinstance(force, ContentCoding) else None
        self._is_live = is_live
        self._strategy = strategy
        self._encoder: Encoder | None = None
        self.coding: str | None = None

    def choose(self, accepted: str | None, status: int) -> bool:
        """Choose the coding for a client; give whether there is one.

        Args:
            accepted: value of its Accept-Encoding.
            status: of the response; some never have a body.
        """
        if has_no_content(status):
            return False
        coding = self._force or choose_coding(accepted, _CHOICE)
        if coding is None or coding is ContentCoding.identity:
            return False
        self.coding = coding.value
        return True

    def write(self, data: bytes | bytearray | memoryview) -> bytes:
        """Compress a piece of the body; give what is ready."""
        encoder = self._started()
        ready = encoder.compress(data)
        return ready + encoder.sync() if self._is_live else ready

    def end(self, data: bytes | bytearray | memoryview) -> bytes:
        """Compress the last piece; give all that is left."""
        encoder = self._started()
        return encoder.compress(data) + encoder.flush()

    def _started(self) -> Encoder:
        if self._encoder is None:
            assert self.coding is not None, "no coding was chosen"
            self._encoder = make_encoder(self.coding, strategy=self._strategy)
        return self._encoder
