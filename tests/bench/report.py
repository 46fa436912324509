"""Goals, the table that people read, and the JSON that later runs are compared with."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from tests.bench.plan import Result

PACKAGES = ("dlt", "duckdb", "httpx", "pyarrow", "sqlglot")
FLAT = 1.15
BUILD_GOALS = {5_000: 1.0, 2_000_000: 12.0, 10_000_000: 70.0}
"""Users → CPU seconds; a size in between is held to the next larger goal."""
LOAD_GOALS = {100_000: 55.0, 500_000: 45.0}
"""Users → CPU seconds for each million users; larger accounts are held to the last goal."""
SYNC_GOAL = 60.0
IDLE_GOAL_S, GROWN_GOAL_S = 1.0, 3.0
LIMITED, UNLIMITED = 1.08, 1.3
"""How many times the ideal a load may take that waits for the server: with a limit of calls, and without one."""


@dataclass(frozen=True)
class Verdict:
    """One goal beside what was measured; ``value`` is None where nothing could be measured."""

    goal: str
    limit: float
    value: float | None
    unit: str

    @property
    def is_met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit


def per_million(result: Result) -> float:
    """CPU seconds for each million users, with the start that every run pays once."""
    return result.median_of("cpu_s") / result.users * 1e6


def times_ideal(result: Result) -> float:
    """The wall time of a load that waited for the server, as a multiple of what its calls take at least."""
    assert result.waits is not None
    return result.median_of("wall_s") / result.waits.ideal_s(result.calls[-1])


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """Every goal for every size that was measured."""
    found = []
    idle: Result | None = None
    for result in results:
        name = f"{result.name}, {result.users:,} users" if result.users else result.name

        def value(read: Callable[[Result], float], result: Result = result) -> float | None:
            return None if result.failure or not result.runs else read(result)

        if result.name in ("load", "sync"):
            most = SYNC_GOAL
            if result.name == "load":
                most = next(
                    (limit for users, limit in LOAD_GOALS.items() if result.users <= users), LOAD_GOALS[500_000]
                )
            found.append(Verdict(name, most, value(per_million), "CPU s per million"))
            found.append(Verdict(name, 600, value(lambda r: max(run.peak_mb for run in r.runs)), "MB at the peak"))
        elif result.name == "idle sync":
            idle = result
            found.append(Verdict(name, IDLE_GOAL_S, value(lambda r: r.median_of("cpu_s")), "CPU s"))
        elif result.name == "grown sync":
            at_rest = idle.median_of("cpu_s") if idle is not None and idle.runs else 0.0
            spent = value(lambda r: r.median_of("cpu_s"))
            found.append(Verdict(name, GROWN_GOAL_S, None if spent is None else spent - at_rest, "CPU s over idle"))
        elif result.waits is not None:
            times = LIMITED if result.waits.calls_per_minute else UNLIMITED
            found.append(Verdict(name, times, value(times_ideal), "× the ideal time"))
        elif result.name == "build":
            goal = next((cpu_s for users, cpu_s in BUILD_GOALS.items() if result.users <= users), None)
            if goal is not None:
                found.append(Verdict(name, goal, value(lambda r: r.median_of("cpu_s")), "CPU s"))
            found.append(Verdict(name, 2_000, value(lambda r: max(run.peak_mb for run in r.runs)), "MB at the peak"))
        elif result.name == "tree":
            found.append(Verdict(name, 40, value(lambda r: r.median_of("cpu_s")), "CPU s in 500 MB"))
        elif result.name == "help":
            found.append(Verdict(name, 0.15, value(lambda r: r.median_of("wall_s")), "s"))
    return found + [verdict for name in ("load", "sync") if (verdict := _flatness(name, results))]


def _extremes(name: str, results: Sequence[Result]) -> tuple[Result, Result] | None:
    """The smallest and the largest account a command was measured with, where there are two."""
    measured = sorted((r for r in results if r.name == name and r.runs and not r.failure), key=lambda r: r.users)
    return (measured[0], measured[-1]) if measured and measured[0].users < measured[-1].users else None


def _flatness(name: str, results: Sequence[Result]) -> Verdict | None:
    """Memory must not follow the number of users: the largest account's peak over the smallest one's."""
    if not (pair := _extremes(name, results)):
        return None
    small, large = pair
    ratio = large.median_of("peak_mb") / small.median_of("peak_mb")
    return Verdict(f"{name}, {large.users:,} against {small.users:,} users", FLAT, ratio, "× peak memory")


def _slope(name: str, results: Sequence[Result]) -> str | None:
    """What users cost beyond the start-up that every run pays once."""
    if not (pair := _extremes(name, results)):
        return None
    small, large = pair
    cpu_s = large.median_of("cpu_s") - small.median_of("cpu_s")
    return f"{name}: {cpu_s / (large.users - small.users) * 1e6:,.1f} CPU s for each further million users"


def render(results: Sequence[Result], judged: Sequence[Verdict]) -> str:
    """Both tables as text."""
    floors = {r.users: r.median_of("cpu_s") for r in results if r.name == "floor" and r.runs}
    lines = [
        f"{'medians':<12}{'users':>10}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}"
        f"{'CPU s/million':>15}{'× floor':>9}{'calls':>8}"
    ]
    for result in results:
        head = f"{result.name:<12}{result.users or '':>10}"
        if result.failure:
            lines.append(f"{head}   not measured: {result.failure}")
            continue
        cpu_s = result.median_of("cpu_s")
        whole = result.name in ("floor", "script", "rest_api", "load", "sync")
        rate = f"{per_million(result):,.0f}" if whole else ""
        ratio = f"{cpu_s / floors[result.users]:.1f}" if whole and result.users in floors else ""
        calls = result.calls[-1] if result.calls else ""
        lines.append(
            f"{head}{cpu_s:>9.2f}{result.median_of('wall_s'):>9.2f}{result.median_of('peak_mb'):>9.0f}"
            f"{rate:>15}{ratio:>9}{calls:>8}"
        )
    lines += ["", *filter(None, (_slope(name, results) for name in ("floor", "load", "sync")))]
    lines += ["", f"{'goals':<42}{'goal':>12}{'measured':>12}  {'':<18}"]
    words = {True: "met", False: "MISSED", None: "not measured"}
    for verdict in judged:
        goal = f"≤ {verdict.limit:,g}"
        measured = "" if verdict.value is None else f"{verdict.value:,.{2 if verdict.limit < 10 else 0}f}"
        lines.append(f"{verdict.goal:<42}{goal:>12}{measured:>12}  {verdict.unit:<18}{words[verdict.is_met]}")
    return "\n".join(lines)


def as_json(results: Sequence[Result], judged: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that was measured, run by run, with what it was measured on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "results": [
            {
                "name": result.name,
                "users": result.users,
                "failure": result.failure,
                "calls": result.calls,
                "runs": [
                    {k: v for k, v in asdict(run).items() if k in ("cpu_s", "wall_s", "peak_mb")} for run in result.runs
                ],
            }
            for result in results
        ],
        "goals": [asdict(verdict) | {"is_met": verdict.is_met} for verdict in judged],
    }
