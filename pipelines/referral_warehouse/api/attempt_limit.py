"""Sockets whose reads end together: an attempt has one limit of time, however many reads its answer takes.

Timeouts of HTTP libraries count for a single read, so that a server which sends a byte now and then, in its headers
or in its body, holds a call for ever. Knows sockets through httpcore and nothing of requests, JSON or retries.
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
"""What may come before the body: headers, and provisional answers (1xx) without end."""


class SlowResponse(httpcore.ReadTimeout):
    """The answer was not there whole when the time for one attempt was over."""


class AttemptLimit(threading.local):
    """When the attempt of this thread ends (a value of the clock), and how many bytes may yet come before its body."""

    ends_at: float = math.inf
    head_bytes_left: float = math.inf

    def begin(self, ends_at: float) -> None:
        """An attempt begins."""
        self.ends_at = ends_at
        self.head_bytes_left = MAX_HEAD_BYTES

    def end_of_head(self) -> None:
        """The headers are there; the body has a bound of its own."""
        self.head_bytes_left = math.inf

    def end(self) -> None:
        """The attempt is over."""
        self.ends_at = self.head_bytes_left = math.inf


def limit_reads(client: httpx.Client, limit: AttemptLimit, clock: Callable[[], float]) -> None:
    """Bind every connection that a client will open, directly or through a proxy, to the limit of its thread."""
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
            raise SlowResponse("the answer trickles")
        is_last = timeout is None or left_s < timeout
        try:
            found = self._inner.read(max_bytes, left_s if is_last else timeout)
        except httpcore.ReadTimeout:
            if is_last:
                raise SlowResponse("the answer trickles") from None
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
        # The handshake as a whole ends with its timeout.
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._limit, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
