"""A run of thousands of calls by two processes against a limiter that counts fixed and sliding windows at once.

One process is killed with SIGKILL on the way and started again. How long a "minute" takes is a parameter.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from referral_warehouse.api.rate_limit.host import boot_clock
from referral_warehouse.sandbox.http.limiter import WINDOW_S, Limiter
from tests.api.scripted_server import Request, Response, ScriptedServer

PROJECT = Path(__file__).parents[2]


@dataclass
class Counting:
    """The server's side: both kinds of window count every call; a call that either refuses is a violation."""

    limit: int
    minute_s: float
    latency_s: float
    headers_slide: bool
    arrivals: list[float] = field(default_factory=list)
    violations: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        def clock() -> float:
            return boot_clock() * WINDOW_S / self.minute_s

        self._limiters = {sliding: Limiter(self.limit, clock) for sliding in (False, True)}

    def answer(self, _request: Request) -> Response:
        with self._lock:
            self.arrivals.append(boot_clock())
            verdicts = {sliding: limiter.spend(sliding=sliding) for sliding, limiter in self._limiters.items()}
        time.sleep(self.latency_s)
        shown = verdicts[self.headers_slide]
        headers = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(shown.remaining)}
        refused = [verdict for verdict in verdicts.values() if verdict.status != 200]
        if not refused:
            return Response(headers=headers)
        self.violations += 1
        return Response(429, b"{}", headers | {"Retry-After": str(int(refused[0].retry_after_s) + 1)})


@dataclass(frozen=True)
class Outcome:
    """What the server counted. ``used`` is the share of the allowed calls that were sent, over whole windows."""

    calls: int
    violations: int
    most_in_a_window: int
    used: float
    was_killed: bool


def two_processes(
    folder: Path, *, calls: int, budget: int, minute_s: float, latency_s: float, headers_slide: bool, threads: int = 8
) -> Outcome:
    """Send ``calls`` calls from two processes with ``threads`` in flight each; one is killed after a quarter."""
    counting = Counting(budget, minute_s, latency_s, headers_slide)
    with ScriptedServer() as server:
        server.default = counting.answer
        share = calls // 2
        running: list[subprocess.Popen[bytes]] = []

        def start(name: str, count: int) -> subprocess.Popen[bytes]:
            arguments = [server.url, folder, folder / name, budget, minute_s, count, threads]
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.api.budget_worker", *map(str, arguments)], cwd=PROJECT
            )
            running.append(process)
            return process

        try:
            victim, other = start("victim", share), start("other", share)
            while _answered(folder / "victim") < share // 4:
                assert victim.poll() is None
                time.sleep(0.01)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            again = start("again", share - _answered(folder / "victim"))
            assert (other.wait(900), again.wait(900)) == (0, 0)
        finally:
            for process in running:
                process.kill()
                process.wait()
    arrivals = sorted(counting.arrivals)
    whole_windows = (len(arrivals) - 1) // budget
    allowed_s = whole_windows * minute_s
    took_s = arrivals[whole_windows * budget] - arrivals[0]
    return Outcome(
        calls=sum(_answered(folder / name) for name in ("victim", "other", "again")),
        violations=counting.violations,
        most_in_a_window=_most(arrivals, minute_s),
        used=allowed_s / took_s,
        was_killed=victim.returncode == -signal.SIGKILL,
    )


def _answered(journal: Path) -> int:
    return journal.stat().st_size if journal.exists() else 0


def _most(arrivals: list[float], window_s: float) -> int:
    """The most arrivals within any half-open window, wherever it begins."""
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
