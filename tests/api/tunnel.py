"""A CONNECT proxy as companies have them: it tunnels bytes to one server, whichever host is requested."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Tunnel:
    """Use as a context manager. ``requests`` holds the CONNECT request of each client."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.requests: list[str] = []
        self.carried = bytearray()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1)
                self.requests.append(head.decode())
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._start(self._carry, client, server)
                self._start(self._carry, server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65_536):
                self.carried += part
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
