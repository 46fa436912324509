"""Damages one path of a warehouse directory, syncs, and returns what differs from docs/damage.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.damage.damages import damages_of, missing
from tests.damage.outcomes import Outcome, outcome_of, read_outcomes
from tests.kills.stage import Stage, published, unequal

TIMEOUT_S = 900  # for a busy machine; a process that hangs then prints where
UNWANTED = ("Unexpected error", "Traceback", "Timeout (")


def paths_of(folder: Path) -> list[Path]:
    """Everything below a warehouse directory; of the packages that were loaded, the newest stands for all."""
    loaded = folder / "state" / "dlt" / "referral_warehouse" / "load" / "loaded"
    old = sorted(loaded.iterdir())[:-1] if loaded.is_dir() else []
    return [path for path in sorted(folder.rglob("*")) if not any(path.is_relative_to(package) for package in old)]


def cases_of(folder: Path) -> Iterator[tuple[str, str]]:
    """(path below the directory, damage) for everything that is found there."""
    for path in paths_of(folder):
        for damage in damages_of(path):
            yield str(path.relative_to(folder)), damage


def problems_after(stage: Stage, start: str, path: str, damage: str, data: Path) -> list[str]:
    """Damage a copy of a start, sync until nothing is left to do, and return what is not as documented, in words."""
    outcome = outcome_of(read_outcomes(), path, damage)
    stage.copy(start, data)
    damages_of(data / path)[damage](data / path)
    problems = []
    ended = stage.sync(data, timeout_s=TIMEOUT_S)
    # A change of unused bytes (free space, bytes behind the end) may be unnoticed, if the data is right.
    may_be_unnoticed = (0,) if outcome.damages == ("changed",) else ()
    if ended.returncode not in (*outcome.exit_codes, *may_be_unnoticed):
        problems.append(f"ended with {ended.returncode}, not {outcome.exit_codes}: {ended.stderr[-600:]}")
    problems += [f"{words!r} in {ended.stderr[-600:]}" for words in UNWANTED if words in ended.stderr]
    if ended.returncode != 0:
        if path.split("/")[-1] not in ended.stderr and not outcome.step.startswith(("Restore", "Copy it")):
            problems.append(f"the message does not name {path}: {ended.stderr}")
        _take_step(stage, start, path, data, outcome)
        ended = stage.sync(data, timeout_s=TIMEOUT_S)
    if ended.returncode != 0:
        return [*problems, f"after the step it ended with {ended.returncode}: {ended.stderr[-600:]}"]
    problems += [f"{name}: {found}" for name, found in unequal(published(data), stage.undisturbed[start]).items()]
    again = stage.sync(data, timeout_s=TIMEOUT_S)
    if again.returncode != 0 or json.loads(again.stdout)["recovered"]:
        problems.append(f"the next sync: {again.returncode} {again.stdout[-400:]} {again.stderr[-400:]}")
    status = stage.run(data, "status", "--json", timeout_s=TIMEOUT_S)
    failure = json.loads(status.stdout)["last_failure"] if status.stdout else None
    is_of_person = failure is not None and failure["command"] == "forget"  # a failure that no sync ends
    if status.returncode != 0 and not is_of_person:
        problems.append(f"status ended with {status.returncode}: {status.stderr[-400:]}")
    return problems


def _take_step(stage: Stage, start: str, path: str, data: Path, outcome: Outcome) -> None:
    """Carry out the step of the table."""
    if outcome.step.startswith("Move it away"):
        (data / path).rename(data.with_name(f"{data.name} moved away"))
    if path == "load.duckdb" or outcome.step.startswith("Copy it from a backup"):
        missing(data / path)
        (data / path).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (stage.starts[start] / path).is_dir() else shutil.copy2
        copy(stage.starts[start] / path, data / path)
