"""``python -m tests.bench``: measure, print the tables; exit 1 where something could not be measured."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from tests.bench.plan import BUILD_USERS, PEER_USERS, Bench, Waits
from tests.bench.report import as_json, render, verdicts

WAITS = (Waits(latency_ms=50), Waits(latency_ms=300, calls_per_minute=600))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What a load costs, beside the goals.")
    parser.add_argument(
        "--users", default="100000,500000,2000000", help="sizes of the accounts to load (default: %(default)s)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement; medians are shown")
    parser.add_argument(
        "--builds", default="2000000,10000000", help="sizes of the load files to build from (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one run with 20,000 users, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE as well")
    asked = parser.parse_args(arguments)
    peers = [20_000] if asked.quick else [PEER_USERS]
    waiting = 5_000 if asked.quick else 100_000
    sizes = [20_000] if asked.quick else [int(size) for size in asked.users.split(",") if size]
    builds = [200_000] if asked.quick else [int(size) for size in asked.builds.split(",") if size]
    runs = 1 if asked.quick else asked.runs

    with tempfile.TemporaryDirectory(prefix="bench ") as scratch:
        bench = Bench(Path(scratch), lambda text: _write(sys.stderr, f"  … {text}"))
        bench.start()
        bench.build(BUILD_USERS, runs)
        for size in builds:
            bench.build_large(size, runs)
        for size in sizes:
            bench.load(size, runs)
        for size in peers:
            bench.peers(size, runs)
        for waits in WAITS:
            bench.wait(waiting, waits)
    judged = verdicts(bench.results)
    _write(sys.stdout, render(bench.results, judged))
    if asked.json:
        asked.json.write_text(json.dumps(as_json(bench.results, judged), indent=2) + "\n", encoding="utf-8")
    return 1 if any(result.failure for result in bench.results) else 0


def _write(stream: TextIO, text: str) -> None:
    print(text, file=stream, flush=True)


if __name__ == "__main__":
    sys.exit(main())
