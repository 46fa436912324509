"""The account behind the smallest HTTP/1.1 server that can serve it; keep-alive and pipelining, GET only.

Runs as a process of its own (``python -m tests.bench.server --users N``), so that what it costs is not charged to the
commands that are measured. It prints one JSON line when it is ready and ends when its standard input does. Responses
may be late, and requests beyond a number a minute are refused. ``/_bench/stats`` returns the number of API requests
since its last call and how many of them were refused; ``/_bench/grow`` serves the users who come later.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.bench.account import CAMPAIGNS, Account
from tests.bench.lists import BadQuery, read_query

PREFIX = "/api/v1/"
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
    429: "Too Many Requests",
}  # fmt: skip
A_MINUTE = 60.0


class Desk:
    """Request line → status and body.

    Args:
        account: what is served.
        base_url: where, for links.
        calls_per_minute: how many requests are answered in any 60 seconds; 0 is all of them.
        clock: seconds, from any beginning.
    """

    def __init__(
        self, account: Account, base_url: str = "http://127.0.0.1/api/v1", calls_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.account = account
        self.base_url = base_url
        self.answered = self.refused = 0
        self._calls_per_minute = calls_per_minute
        self._clock = clock
        self._latest = deque[float](maxlen=calls_per_minute or None)

    def answer(self, method: str, target: str, is_authorized: bool) -> tuple[int, bytes]:
        parts = urlsplit(target)
        if parts.path == "/_bench/stats":
            stats = {"answered": self.answered, "refused": self.refused, "cpu_s": time.process_time()}
            self.answered = self.refused = 0
            return 200, json.dumps(stats).encode()
        if parts.path == "/_bench/grow":
            self.account.grow()
            return 200, b"{}"
        self.answered += 1
        if self._is_too_much():
            self.refused += 1
            return _error(429, "Too Many Attempts.")
        if method != "GET":
            return _error(405, f"{method} is not answered here")
        if not is_authorized:
            return _error(401, "Unauthenticated.")
        path = parts.path.removeprefix(PREFIX)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        try:
            if path.startswith("coupons/"):
                return self._coupon(unquote(path.removeprefix("coupons/")), pairs)
            rows = self.account.lists.get(path)
            if rows is None or path == parts.path:
                return _error(404, f"nothing at {parts.path}")
            query = read_query(pairs, ("coupon",) if path == "users" else ())
            return 200, rows.page(path, self.base_url, query)
        except BadQuery as error:
            return _error(400, str(error))

    def _is_too_much(self) -> bool:
        """Whether as many requests as a minute may have were answered within the last 60 seconds."""
        if not self._calls_per_minute:
            return False
        now = self._clock()
        if len(self._latest) == self._calls_per_minute and now - self._latest[0] < A_MINUTE:
            return True
        self._latest.append(now)
        return False

    def _coupon(self, name: str, pairs: list[tuple[str, str]]) -> tuple[int, bytes]:
        found = self.account.coupons.get(name)
        if found is None:
            return _error(404, "Coupon not found")
        data = dict(found)
        for parameter, relation in pairs:
            if parameter not in ("with", "with[]") or relation != "batch":
                raise BadQuery(f"{parameter}={relation}")
            data["batch"] = self.account.batch(self.account.campaign[int(str(data["referral_id"])) - 1])
        return 200, json.dumps({"data": data, "code": 200, "message": "Single Coupon Response"}).encode()


def _error(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"code": status, "message": message, "errors": {}}).encode()


class Connection(asyncio.Protocol):
    """Splits what arrives into requests; bodies are not expected, since only GET is answered."""

    def __init__(self, desk: Desk, latency_s: float) -> None:
        self.desk = desk
        self.latency_s = latency_s
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self.waiting = (self.waiting + data).split(b"\r\n\r\n")
        for request in requests:
            line, _, headers = request.partition(b"\r\n")
            method, target, _ = line.decode("ascii").split(" ")
            lowered = headers.lower()
            status, body = self.desk.answer(method, target, b"authorization: bearer " in lowered)
            head = (
                f"HTTP/1.1 {status} {REASONS[status]}\r\nDate: {formatdate(usegmt=True)}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            is_last = b"connection: close" in lowered
            if self.latency_s and "/_bench/" not in target:
                asyncio.get_running_loop().call_later(self.latency_s, self._write, head.encode() + body, is_last)
            else:
                self._write(head.encode() + body, is_last)

    def _write(self, response: bytes, is_last: bool) -> None:
        self.transport.write(response)
        if is_last:
            self.transport.close()


async def serve(asked: argparse.Namespace) -> None:
    """Build the account, serve it on a free loopback port, end with standard input."""
    account = Account(asked.users, asked.campaigns, asked.reward_page_rows, asked.later)
    desk = Desk(account, calls_per_minute=asked.calls_per_minute)
    gc.freeze()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(desk, asked.latency_ms / 1000), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    desk.base_url = f"http://127.0.0.1:{port}/api/v1"
    rows = {path: len(found) for path, found in desk.account.lists.items()} | {"coupons": len(desk.account.coupons)}
    sys.stdout.write(json.dumps({"base_url": desk.base_url, "rows": rows}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS, help="each has a batch of coupons")
    parser.add_argument("--reward-page-rows", type=int, default=250, help="the most rows of a page of rewards")
    parser.add_argument("--later", type=int, default=0, help="users who are served after /_bench/grow")
    parser.add_argument("--latency-ms", type=int, default=0, help="how late a response is")
    parser.add_argument("--calls-per-minute", type=int, default=0, help="how many are answered; 0 is all")
    asyncio.run(serve(parser.parse_args()))
