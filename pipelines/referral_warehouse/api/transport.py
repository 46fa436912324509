"""Sends one GET over a pool of connections and returns status, headers and a bounded number of bytes.

Knows httpx and sockets; nothing of JSON, retries, budgets or streams. It sends nothing but GET, redirects are not
followed, certificates are always verified, and cookies are not kept.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from weakref import WeakSet

import httpx

from referral_warehouse import __version__
from referral_warehouse.api.attempt_limit import AttemptLimit, limit_reads
from referral_warehouse.api.decompression import MAX_PIECE_BYTES, TooLarge, decompressed
from referral_warehouse.api.network_environment import proxy_for, tls_context
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, Token, checked_base_url, refuse_unlimited_calls

__all__ = ["MAX_PIECE_BYTES", "Reply", "Transport"]

MAX_BODY_BYTES = 64 * 1024 * 1024
# Larger bodies are read one at a time, so that their memory does not add up.
LARGE_BODY_BYTES = 4 * 1024 * 1024
CONNECT_TIMEOUT_S = 15.0
KEEPALIVE_S = 30.0
# Servers refuse longer headers with various responses, none of which says that the token is invalid.
LONGEST_TOKEN = 4096
LOCATION = "x-location-not-followed"
TOKEN_NAME = "SOURCES__REFERRAL_FACTORY__API_TOKEN"  # noqa: S105 - the setting's name


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as received. Units: ``elapsed_s`` seconds from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float


class Transport:
    """Connections to the base URL, shared by the threads of one client."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Open no connection yet.

        Raises: ConfigurationError for settings that would be unsafe or cannot work.
        """
        token = _usable_token(settings.api_token)
        self._base_url = checked_base_url(settings.base_url)
        refuse_unlimited_calls(settings)
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        # The setting limits a single read; a slow server must still finish within twice that time.
        self._attempt_s = 2 * settings.timeout_s
        self._limit = AttemptLimit()
        self._lock = threading.Lock()
        self._large_turn = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._aborted = False
        self._http = _build_http(settings, token)
        limit_reads(self._http, self._limit, clock)

    def fetch(self, path_and_query: str) -> Reply:
        """Send one GET and read the complete response.

        Raises: httpx.HTTPError for network errors; TooLarge; UnknownEncoding.
        """
        started = self._clock()
        request = self._http.build_request(
            "GET", f"{self._base_url}/{path_and_query}", extensions={"trace": self._record_socket}
        )
        self._limit.begin(started + self._attempt_s)
        try:
            response = self._http.send(request, stream=True)
            self._limit.end_of_head()
            try:
                body = self._read(response)
            finally:
                response.close()
        except (ValueError, LookupError, ArithmeticError) as error:
            # Errors of the HTTP library on an unexpected response.
            raise httpx.RemoteProtocolError(f"a response that is no HTTP ({type(error).__name__})") from error
        finally:
            self._limit.end()
        return Reply(response.status_code, response.headers, body, self._clock() - started)

    def abort(self) -> None:
        """Break all connections, now and later, so that every thread that waits on a socket fails at once."""
        with self._lock:
            self._aborted = True
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _read(self, response: httpx.Response) -> bytes:
        chunks: list[bytes] = []
        large = bytearray()  # one block, which is returned to the system; thousands of small ones are not
        size = 0
        with contextlib.ExitStack() as turn:
            for chunk in decompressed(response, self._max_body_bytes):
                size += len(chunk)
                if size > self._max_body_bytes:
                    large.clear()
                    raise TooLarge(f"more than {self._max_body_bytes // (1024 * 1024)} MB")
                if size <= LARGE_BODY_BYTES:
                    chunks.append(chunk)
                    continue
                if not large:
                    turn.enter_context(self._large_turn)
                    large.extend(b"".join(chunks))
                large.extend(chunk)
            return bytes(large) if large else chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _record_socket(self, event: str, info: Mapping[str, Any]) -> None:
        # httpx's trace is the documented way to get a new socket. Only through it can a read be ended that waits up to
        # a minute for a slow response.
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        sock = info["return_value"].get_extra_info("socket")
        if isinstance(sock, socket.socket):
            with self._lock:
                self._sockets.add(sock)
                aborted = self._aborted
            if aborted:
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    # The base class's method: an SSLSocket's own would discard TLS state that the reading thread uses.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _usable_token(token: Token | None) -> Token:
    if token is None:
        raise ConfigurationError(
            f"{TOKEN_NAME} is not set.",
            "Run `referrals init`, which asks for the token, or set it; docs/connecting.md says where the token is.",
        )
    text = token.reveal()
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= LONGEST_TOKEN or " " in text:
        # Checked here, because an HTTP library would quote the value in its error.
        raise ConfigurationError(
            f"{TOKEN_NAME} is too long, or has blanks or characters that no token has; copy it again."
        )
    return token


def _build_http(settings: Settings, token: Token) -> httpx.Client:
    limits = httpx.Limits(
        max_connections=settings.concurrency,
        max_keepalive_connections=settings.concurrency,
        keepalive_expiry=KEEPALIVE_S,
    )
    try:
        # Only network_environment reads the environment's settings of networks: httpx itself would also take
        # credentials from ~/.netrc and write session keys into the file of SSLKEYLOGFILE.
        proxy = proxy_for(settings.base_url, os.environ)
        return httpx.Client(
            transport=httpx.HTTPTransport(
                verify=tls_context(settings.base_url, os.environ), limits=limits, proxy=proxy, trust_env=False
            ),
            trust_env=False,
            timeout=httpx.Timeout(settings.timeout_s, connect=min(CONNECT_TIMEOUT_S, settings.timeout_s)),
            follow_redirects=False,
            cookies=_NoCookies(),
            event_hooks={"request": [_refuse_other_methods], "response": [_hide_location]},
            headers={
                "Authorization": f"Bearer {token.reveal()}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"referral-warehouse/{__version__}",
            },
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        # The class alone: a proxy's address may contain a password.
        raise ConfigurationError(
            f"The connection cannot be set up ({type(error).__name__}).",
            "Check the base URL, and HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR in the environment.",
        ) from None


class _NoCookies(CookieJar):
    """Ignores cookies: a malicious one must not even be parsed."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass


def _hide_location(response: httpx.Response) -> None:
    # httpx prepares the next request even where it does not follow redirects, and fails on invalid addresses.
    location = response.headers.pop("location", None)
    if location is not None:
        response.headers[LOCATION] = location


def _refuse_other_methods(request: httpx.Request) -> None:
    if request.method != "GET":
        raise RuntimeError(f"this client only reads: {request.method} must never be sent")
