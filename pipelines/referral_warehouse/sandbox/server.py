"""The sandbox as a running server: in a thread for tests and demos, or blocking for the command line."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import uvicorn

from referral_warehouse.sandbox.domain.actions import Actions
from referral_warehouse.sandbox.domain.resources import USERS
from referral_warehouse.sandbox.http.app import build_app
from referral_warehouse.sandbox.http.connections import Connections
from referral_warehouse.sandbox.http.endpoints import API
from referral_warehouse.sandbox.http.prompt_server import PromptServer
from referral_warehouse.sandbox.http.query_parser import ResourceQuery
from referral_warehouse.sandbox.http.webhook import OutboundWebhook
from referral_warehouse.sandbox.quirks import Quirks
from referral_warehouse.sandbox.service import Call, Service

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - opens nothing but this sandbox
_GRACE_S = 1


class Sandbox(Actions):
    """An account of the documented API on 127.0.0.1; use it as a context manager.

    ``path`` is a sqlite file kept between runs: where it contains an account already, that account continues and
    ``users`` and ``seed`` are ignored. None keeps the account in memory. ``limiter_clock`` returns the seconds by
    which the rate limit counts. Units: ``calls_per_minute`` requests, 0 = no limit.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        users: int = 300,
        seed: int = 7,
        token: str = DEFAULT_TOKEN,
        calls_per_minute: int = 600,
        quirks: Quirks | None = None,
        webhook_url: str | None = None,
        *,
        port: int = 0,
        limiter_clock: Callable[[], float] = time.monotonic,
        webhook_pause: Callable[[float], object] | None = None,
    ) -> None:
        service = Service(
            Path(path) if path is not None else None, users, seed, token, calls_per_minute, quirks, limiter_clock
        )
        super().__init__(service)
        self._port = port
        self._webhook_url = webhook_url
        self._webhook_pause = webhook_pause
        self._webhook: OutboundWebhook | None = None
        self._server: PromptServer | None = None
        self._thread: threading.Thread | None = None
        self._connections = Connections()
        self.host_url = ""

    # Running.

    def start(self) -> Sandbox:
        """Listen and serve; ``base_url`` is usable when this returns.

        Raises: OSError when the port is taken.
        """
        # With the protocol named, asyncio turns Nagle's algorithm off; a response takes 40 ms longer otherwise.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            listener.listen(512)
        except BaseException:
            listener.close()
            self._store.close()
            raise
        self.host_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if self._webhook_url:
            self._webhook = OutboundWebhook(self._webhook_url, self._user_row, self._webhook_pause)
            self._store.listeners.append(self._webhook.notify)
        self._server = PromptServer(
            uvicorn.Config(
                build_app(self._service, self._connections),
                http=self._connections.protocol_class(),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close the account; a file at ``path`` is kept."""
        if self._server is not None and self._thread is not None:
            self._connections.close()
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None
        if self._webhook is not None:
            self._webhook.close()
            self._webhook = None
        self._store.close()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # For clients.

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return f"{self.host_url}{API}"

    @property
    def token(self) -> str:
        """The Bearer token."""
        return self._service.token

    @property
    def inbound_webhook_url(self) -> str:
        """The address to which codes and coupons of qualified users are posted."""
        return f"{self.host_url}/webhook/{self._service.webhook_token}/qualify"

    # For tests.

    @property
    def quirks(self) -> Quirks:
        return self._service.quirks

    def set_quirks(self, quirks: Quirks) -> None:
        """Replace all quirks; the counters of the ``…_every`` quirks restart."""
        self._service.set_quirks(quirks)

    @property
    def calls(self) -> list[Call]:
        """The API requests answered since ``reset_calls``."""
        return self._service.calls()

    def reset_calls(self) -> None:
        self._service.reset_calls()

    @property
    def violations(self) -> int:
        """How many minutes of this run exceeded the limit."""
        return self._service.limiter.violations

    def flush_webhooks(self) -> None:
        """Wait until all outbound webhooks so far were delivered or given up."""
        if self._webhook is not None:
            self._webhook.flush()

    def _user_row(self, user_id: int) -> dict[str, Any] | None:
        rows = self._service.lists.rows(USERS, [user_id], ResourceQuery(), Quirks())
        return rows[0] if rows else None


def serve(
    path: Path | str | None = None,
    users: int = 300,
    seed: int = 7,
    token: str = DEFAULT_TOKEN,
    port: int = 0,
    calls_per_minute: int = 600,
    quirks: Quirks | None = None,
    webhook_url: str | None = None,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop cleanly and return. Prints nothing.

    ``on_ready`` is called with the base URL once requests are answered.
    Raises: OSError when the port is taken.
    """
    stopping = threading.Event()
    with (
        _signals(stopping),
        Sandbox(path, users, seed, token, calls_per_minute, quirks, webhook_url, port=port) as sandbox,
    ):
        if on_ready is not None:
            on_ready(sandbox.base_url)
        stopping.wait()


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event while the block runs."""

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
