"""The body of an answer, unpacked in pieces of bounded size: one layer of gzip or none.

Layers upon layers unpack a thousandfold each, so no other packing is undone. Knows httpx's responses and nothing of
what the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

UNPACKED_BYTES = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"


class UnknownPacking(Exception):
    """The answer is packed in a way that was not asked for; its text names it."""


class TooLarge(Exception):
    """A body beyond the bound; reading stopped there."""


def unpacked(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """The body's bytes in pieces of at most UNPACKED_BYTES; nothing where an error's body cannot be unpacked.

    Raises: UnknownPacking; TooLarge for more than ``max_bytes`` on the way; httpx.DecodingError for broken gzip.
    """
    named = response.headers.get("content-encoding", "")
    layers = [layer for part in named.lower().split(",") if (layer := part.strip()) not in ("", "identity")]
    if not layers:
        yield from response.iter_raw()
        return
    if layers not in (["gzip"], ["x-gzip"]):
        if not response.is_success:
            return  # its status says enough
        raise UnknownPacking(named)
    try:
        yield from _gunzipped(response, max_bytes)
    except zlib.error as error:
        if response.is_success:
            raise httpx.DecodingError(str(error), request=response.request) from error


def _gunzipped(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """One or more gzip members, one after the other, and zeros behind them, as gzip tools take them."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    packed_size = 0
    begin = b""
    for piece in response.iter_raw():
        packed_size += len(piece)
        if packed_size > max_bytes:
            raise TooLarge(f"more than {max_bytes // (1024 * 1024)} MB packed")
        packed = begin + piece
        begin = b""
        while packed:
            if unpacker.eof:
                packed = packed.lstrip(b"\0")
                if len(packed) < len(GZIP_MAGIC):
                    begin, packed = packed, b""
                    continue
                if not packed.startswith(GZIP_MAGIC):
                    raise zlib.error("there is something else behind the gzip data")
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield unpacker.decompress(packed, UNPACKED_BYTES)
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if rest := unpacker.flush():  # a piece may end where nothing is left to read but something to hand over
        yield rest
    if begin or (packed_size and not unpacker.eof):
        raise zlib.error("the gzip data is cut off")
