"""The open connections by client address, so that a response can end in a reset or be delayed."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import anyio
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_OFF = struct.pack("ii", 1, 0)  # close sends RST instead of FIN


class Connections:
    """Transports of one server; all but ``close`` is used from its event loop alone."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()

    def protocol_class(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, which registers its connections here."""
        opened, connections = self._open, self

        class Registered(H11Protocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                connections._loop = self.loop
                opened[transport.get_extra_info("peername")] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                opened.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Registered

    async def pause(self, seconds: float) -> None:
        """Wait, at most until the server closes."""
        with anyio.move_on_after(seconds):
            await self._closing.wait()

    def close(self) -> None:
        """End all pauses, because the server is about to stop. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._closing.set)

    def reset(self, client: tuple[str, int], with_fin: bool = False) -> None:
        """Close a client's connection with RST; with FIN for ``with_fin``, after a part of the body was sent."""
        transport = self._open.get(tuple(client))  # type: ignore[arg-type]
        if transport is None:
            return
        if not with_fin:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
