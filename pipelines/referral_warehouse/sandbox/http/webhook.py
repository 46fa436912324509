"""The outbound webhook: new users and qualifications are posted to a URL, from a thread of its own.

A receiver that is slow, down or refuses never delays the server: what cannot be delivered after a few attempts is
counted and dropped.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import httpx
import orjson

ATTEMPTS = 4
TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.2


class OutboundWebhook:
    """Posts ``{"event": …, "data": {user}}`` in order. ``pause`` waits between attempts; tests replace it."""

    def __init__(
        self, url: str, row_of: Callable[[int], dict[str, Any] | None], pause: Callable[[float], object] | None = None
    ) -> None:
        self.delivered = 0
        self.dropped = 0
        self._url = url
        self._row_of = row_of
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._waiting: queue.Queue[bytes | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="sandbox-webhook", daemon=True)
        self._thread.start()

    def notify(self, kind: str, user_id: int) -> None:
        """Queue an event with the user as it is now; an event of a user deleted since is dropped."""
        row = self._row_of(user_id)
        if row is not None:
            self._waiting.put(orjson.dumps({"event": kind, "data": row}))

    def flush(self) -> None:
        """Wait until everything queued so far is delivered or dropped."""
        self._waiting.join()

    def close(self) -> None:
        """Stop; what is still queued is dropped."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while (body := self._waiting.get()) is not None:
                try:
                    if not self._closing.is_set() and self._deliver(client, body):
                        self.delivered += 1
                    else:
                        self.dropped += 1
                finally:
                    self._waiting.task_done()

    def _deliver(self, client: httpx.Client, body: bytes) -> bool:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                reply = client.post(self._url, content=body, headers={"Content-Type": "application/json"})
            except (httpx.HTTPError, httpx.InvalidURL):
                continue
            if reply.is_success:
                return True
        return False
