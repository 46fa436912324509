"""A small HTTP/1.1 server over raw sockets that responds by a script, so that it can also violate HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Response:
    """A response. ``cut`` closes the connection after that many bytes of body; ``wait`` holds it until the event."""

    status: int = 200
    body: bytes = b'{"data": []}'
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    wait: threading.Event | None = None
    chunks: int | None = None
    with_length: bool = True


class Reset:
    """Close the connection with a TCP reset and send no response."""


class Close:
    """Close the connection in order, and send no response."""


Step = Response | type[Reset] | type[Close]


def ok(payload: Any = None, **headers: str) -> Response:
    body = json.dumps({"data": []} if payload is None else payload).encode()
    return Response(200, body, {name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedServer:
    """Takes the steps of ``script``, then those of ``default``, one for each request; records the requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.script: deque[Step] = deque()
        self.default: Callable[[Request], Step] = lambda _: Response()
        self.requests: list[Request] = []
        self.connections = 0
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
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
                self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):
                if self._tls is not None:
                    connection = self._secure(connection, self._tls)
                with connection.makefile("rb") as stream:
                    while self._serve_request(connection, stream):
                        pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _secure(self, connection: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        with self._lock:
            self._open.discard(connection)
            secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open.add(secured)
        try:
            secured.do_handshake()
        except OSError:
            with self._lock:
                self._open.discard(secured)
            secured.close()
            raise
        return secured

    def _serve_request(self, connection: socket.socket, stream: Any) -> bool:
        first = stream.readline()
        if not first:
            return False
        headers: dict[str, str] = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        method, target, _ = first.decode("latin-1").split(" ", 2)
        request = Request(method, target, headers)
        with self._lock:
            self.requests.append(request)
            step = self.script.popleft() if self.script else None
        step = self.default(request) if step is None else step
        self.arrived.release()
        if step is Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if isinstance(step, Response):
            return self._send(connection, step)
        return False

    def _send(self, connection: socket.socket, step: Response) -> bool:
        if step.wait is not None:
            step.wait.wait(30)
        headers = dict(step.headers)
        if step.with_length:
            headers.setdefault("Content-Length", str(len(step.body)))
        head = f"HTTP/1.1 {step.status} Whatever\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
        connection.sendall(head.encode("latin-1") + step.body[: step.cut])
        return step.cut is None and step.with_length
