"""A server of raw bytes: each connection is sent the pieces that a function returns, with pauses between them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Self

PAUSE_S = 0.02
Pieces = Callable[[], Iterator[bytes | None]]


class RawServer:
    """Use as a context manager. ``pieces`` returns what each connection is sent after its request; it may never end.

    None among the pieces waits for the next request on the connection.
    """

    def __init__(self, pieces: Pieces, *, pause_s: float = PAUSE_S, tls: ssl.SSLContext | None = None) -> None:
        self.pieces = pieces
        self.connections = 0
        self.closed_by_client = 0
        self._pause_s = pause_s
        self._tls = tls
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            _await_request(connection)
            for piece in self.pieces():
                if piece is None:
                    _await_request(connection)
                    continue
                if self._stop.wait(self._pause_s) if self._pause_s else self._stop.is_set():
                    return
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        except OSError:
            with self._lock:
                self.closed_by_client += 1
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _await_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        got = connection.recv(65_536)
        if not got:
            raise ConnectionError
        received += got
