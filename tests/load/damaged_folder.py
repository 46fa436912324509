"""dlt's folder with one damaged file or folder, opened and used as a run does: what is then not as it should be."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_resources import batch_source
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from tests.damage.damages import damages_of
from tests.load.accounts import DATA, reopened
from tests.load.test_load_pipeline import opened, repriced

NAMES = re.compile(r"\d{9,}\.\d+|\b[0-9a-f]{10,}\b")
CHANGED = {"cursors": {"date": "2026-01-05T08:00:00"}}
CHECKS = {
    "two prices": "select list(value = 77.77 order by value = 77.77) = [false, true] from raw.rewards where id = 1",
    "the new one is current": "select bool_and(value = 77.77) from raw.rewards where id = 1 and _dlt_valid_to is null",
    "no other version": "select count(*) = count(distinct id) + 1 from raw.rewards",
    "users stand once": "select count(*) = count(distinct id) from raw.users",
    "one name changed": "select count(*) = 1 from raw.users where first_name = 'Changed'",
}


@dataclass(frozen=True)
class Starts:
    """Warehouse directories to damage, by name, and the package that is committed after the damage."""

    folders: dict[str, Path]
    package: Callable[[], LoadBatch]


def make_starts(loaded_once: Path, folder: Path) -> Starts:
    """``loaded``: nothing is under way. ``pending``: the package is normalised and not loaded."""
    with reopened(loaded_once, folder / "pending") as account:
        part = repriced(account)
        shutil.copytree(folder / "pending", folder / "loaded", dirs_exist_ok=True)
        with opened(account) as pipeline:
            pipeline._pipeline.extract(batch_source(part, TABLES))
            pipeline._pipeline.normalize()

    def package() -> LoadBatch:
        return LoadBatch(
            {name: list(rows) for name, rows in part.tables.items()},
            dict(part.states),
            part.boundary,
            schemas=dict(TABLES),
        )

    return Starts({name: folder / name / DATA for name in ("loaded", "pending")}, package)


def cases(starts: Starts) -> Iterator[tuple[str, str, str]]:
    """(start, path below the warehouse directory, damage) for everything that is found below state/dlt.

    Of the packages that were loaded earlier the newest stands for all.
    """
    for start, folder in starts.folders.items():
        top = folder / "state" / "dlt"
        newest = max(path.name for path in (top / "referral_warehouse" / "load" / "loaded").iterdir())
        for path in [top, *sorted(top.rglob("*"))]:
            parts = path.relative_to(top).parts
            if "loaded" in parts[:-1] and newest not in parts:
                continue
            for damage in damages_of(path):
                yield start, str(path.relative_to(folder)), damage


def pattern(path: str) -> str:
    """A path with its numbers and hashes as stars: what stands for all packages."""
    return NAMES.sub("*", path)


def problems_after(starts: Starts, start: str, path: str, damage: str, data: Path) -> list[str]:
    """Damage a copy of a start, commit a package as a run does, open it again; what is then wrong, in words."""
    shutil.copytree(starts.folders[start], data)
    damages_of(data / path)[damage](data / path)
    problems, recovered = [], list[str]()
    for run in ("the first run", "the second run"):
        with LoadFile(data / "load.duckdb") as load_file:
            pipeline = LoadPipeline(load_file, data / "state", TABLES)
            pipeline.drain()
            if run == "the first run":
                pipeline.commit(starts.package())
            if pipeline.state("users") != CHANGED:
                problems.append(f"{run} has the cursors {pipeline.state('users')}")
            recovered = pipeline.recovered
    if recovered:
        problems.append(f"the second run had to recover: {recovered}")
    with duckdb.connect(str(data / "load.duckdb"), read_only=True) as connection:
        problems += [name for name, sql in CHECKS.items() if connection.execute(sql).fetchone() != (True,)]
    return problems
