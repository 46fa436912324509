"""Decompresses the body of a response in pieces of bounded size: one layer of gzip or none.

Each layer can expand a thousandfold, so no further layer is decompressed. Knows httpx's responses and nothing of what
the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

UNPACKED_BYTES = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"


class UnknownPacking(Exception):
    """The response has a content encoding that was not requested; the message names it."""


class TooLarge(Exception):
    """A body larger than the limit; reading stopped there."""


def unpacked(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """The body's bytes in pieces of at most UNPACKED_BYTES; nothing where an error's body cannot be decompressed.

    Raises: UnknownPacking; TooLarge for more than ``max_bytes`` on the way; httpx.DecodingError for broken gzip.
    """
    named = response.headers.get("content-encoding", "")
    layers = [layer for part in named.lower().split(",") if (layer := part.strip()) not in ("", "identity")]
    if not layers:
        yield from response.iter_raw()
        return
    if layers not in (["gzip"], ["x-gzip"]):
        if not response.is_success:
            return  # the status alone decides
        raise UnknownPacking(named)
    try:
        yield from _gunzipped(response, max_bytes)
    except zlib.error as error:
        if response.is_success:
            raise httpx.DecodingError(str(error), request=response.request) from error


def _gunzipped(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    gunzip = _Gunzip()
    packed_size = 0
    for piece in response.iter_raw():
        packed_size += len(piece)
        if packed_size > max_bytes:
            raise TooLarge(f"more than {max_bytes // (1024 * 1024)} MB packed")
        yield from gunzip.feed(piece)
    yield from gunzip.finish()


class _Gunzip:
    """Decompresses consecutive gzip members and ignores zeros after them, as gzip tools do."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._rest = b""  # after a member, and too short to be distinguished from zeros
        self._has_begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        packed, self._rest = self._rest + piece, b""
        self._has_begun = self._has_begun or bool(packed)
        while packed:
            if self._unpacker.eof:
                packed = packed.lstrip(b"\0")
                if len(packed) < len(GZIP_MAGIC):
                    self._rest = packed
                    return
                if not packed.startswith(GZIP_MAGIC):
                    raise zlib.error("the gzip data is followed by other data")
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield self._unpacker.decompress(packed, UNPACKED_BYTES)
            packed = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        if rest := self._unpacker.flush():  # a piece may end when all input is read but output remains
            yield rest
        if self._rest or (self._has_begun and not self._unpacker.eof):
            raise zlib.error("the gzip data is cut off")
