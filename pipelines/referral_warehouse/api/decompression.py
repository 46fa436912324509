"""Decompresses the body of a response in pieces of bounded size: one layer of gzip or none.

Each layer can expand a thousandfold, so no further layer is decompressed. Knows httpx's responses and nothing of what
the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

MAX_PIECE_BYTES = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"


class UnknownEncoding(Exception):
    """The response has a content encoding that was not requested; the message names it."""


class TooLarge(Exception):
    """A body larger than the limit; reading stopped there."""


def decompressed(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """The body's bytes in pieces of at most MAX_PIECE_BYTES; nothing where an error's body cannot be decompressed.

    Raises: UnknownEncoding; TooLarge for more than ``max_bytes`` on the way; httpx.DecodingError for broken gzip.
    """
    named = response.headers.get("content-encoding", "")
    layers = [layer for part in named.lower().split(",") if (layer := part.strip()) not in ("", "identity")]
    if not layers:
        yield from response.iter_raw()
        return
    if layers not in (["gzip"], ["x-gzip"]):
        if not response.is_success:
            return  # the status alone decides
        raise UnknownEncoding(named)
    try:
        yield from _gunzipped(response, max_bytes)
    except zlib.error as error:
        if response.is_success:
            raise httpx.DecodingError(str(error), request=response.request) from error


def _gunzipped(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    gunzip = _Gunzip()
    compressed_size = 0
    for piece in response.iter_raw():
        compressed_size += len(piece)
        if compressed_size > max_bytes:
            raise TooLarge(f"more than {max_bytes // (1024 * 1024)} MB compressed")
        yield from gunzip.feed(piece)
    yield from gunzip.finish()


class _Gunzip:
    """Decompresses consecutive gzip members and ignores zeros after them, as gzip tools do."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._rest = b""  # after a member, and too short to be distinguished from zeros
        self._has_begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        compressed, self._rest = self._rest + piece, b""
        self._has_begun = self._has_begun or bool(compressed)
        while compressed:
            if self._decompressor.eof:
                compressed = compressed.lstrip(b"\0")
                if len(compressed) < len(GZIP_MAGIC):
                    self._rest = compressed
                    return
                if not compressed.startswith(GZIP_MAGIC):
                    raise zlib.error("the gzip data is followed by other data")
                self._decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield self._decompressor.decompress(compressed, MAX_PIECE_BYTES)
            compressed = (
                self._decompressor.unused_data if self._decompressor.eof else self._decompressor.unconsumed_tail
            )

    def finish(self) -> Iterator[bytes]:
        if rest := self._decompressor.flush():  # a piece may end when all input is read but output remains
            yield rest
        if self._rest or (self._has_begun and not self._decompressor.eof):
            raise zlib.error("the gzip data is cut off")
