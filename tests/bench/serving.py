"""The bench's server as a process, from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A running bench server: where it is and how many rows each list has."""

    base_url: str
    rows: dict[str, int]

    def answered(self) -> int:
        """API requests since the last time this was asked."""
        return int(self.ask("stats")["answered"])

    def ask(self, what: str) -> dict[str, float]:
        """``stats`` or ``grow`` (see ``tests.bench.server``)."""
        url = self.base_url.replace("/api/v1", f"/_bench/{what}")
        with urllib.request.urlopen(url) as answer:  # noqa: S310 — a loopback server of our own
            found: dict[str, float] = json.load(answer)
            return found


@contextmanager
def serving(users: int, **options: int) -> Iterator[Server]:
    """The bench server in a process of its own, with its options by their names; ends with the block."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server", "--users", str(users), *words],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        yield Server(**json.loads(process.stdout.readline()))
