"""Gives an attempt one time limit, however many reads of the socket its response takes.

Timeouts of HTTP libraries count for a single read, so that a server which sends single bytes, in its headers or in
its body, could make a call last for ever. Knows sockets through httpcore and nothing of requests, JSON or retries.
"""

from __future__ import annotations

import math
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

MAX_HEAD_BYTES = 1024 * 1024
"""The most bytes before the body: headers, and any number of provisional responses (1xx)."""


class SlowResponse(httpcore.ReadTimeout):
    """The response was not complete when the time of the attempt was over."""


class AttemptLimit(threading.local):
    """When the attempt of this thread ends (a value of the clock), and how many bytes may still precede the body."""

    ends_at: float = math.inf
    head_bytes_left: float = math.inf

    def begin(self, ends_at: float) -> None:
        """An attempt begins."""
        self.ends_at = ends_at
        self.head_bytes_left = MAX_HEAD_BYTES

    def end_of_head(self) -> None:
        """The headers are complete; the body has its own limit."""
        self.head_bytes_left = math.inf

    def end(self) -> None:
        """The attempt is over."""
        self.ends_at = self.head_bytes_left = math.inf


def limit_reads(client: httpx.Client, limit: AttemptLimit, clock: Callable[[], float]) -> None:
    """Apply the limit of the thread to every connection that a client opens, directly or through a proxy."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend, limit, clock)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, limit: AttemptLimit, clock: Callable[[], float]) -> None:
        self._inner = inner
        self._limit = limit
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._limit, self._clock)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, limit: AttemptLimit, clock: Callable[[], float]) -> None:
        self._inner = inner
        self._limit = limit
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left_s = self._limit.ends_at - self._clock()
        if left_s <= 0:
            raise SlowResponse("the response is too slow")
        is_last = timeout is None or left_s < timeout
        try:
            found = self._inner.read(max_bytes, left_s if is_last else timeout)
        except httpcore.ReadTimeout:
            if is_last:
                raise SlowResponse("the response is too slow") from None
            raise
        self._limit.head_bytes_left -= len(found)
        if self._limit.head_bytes_left < 0:
            raise httpcore.RemoteProtocolError("the headers do not end")
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        # The whole handshake is limited by its own timeout.
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._limit, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
