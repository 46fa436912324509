"""How the files of a build are opened: memory and threads by the size of the account."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import prepare_draft_dir
from referral_warehouse.warehouse.connection import connect_draft, memory_limit_mb, thread_count

HALF_OF_MACHINE_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2_000_000


@pytest.mark.parametrize(("load_mb", "limit_mb"), [(0, 300), (299, 300), (700, 700), (5_000, 1_000)])
def test_a_large_account_may_use_more_memory(load_mb: int, limit_mb: int, tmp_path: Path) -> None:
    path = tmp_path / "load.duckdb"
    path.touch()
    os.truncate(path, load_mb * 1_000_000)  # sparse: it takes no space
    assert memory_limit_mb(path) == max(200, min(limit_mb, HALF_OF_MACHINE_MB))


@pytest.mark.parametrize(("load_mb", "processors", "threads"), [(0, 8, 1), (200, 8, 1), (300, 8, 4), (300, 2, 2)])
def test_only_a_very_large_account_is_built_by_several_threads(
    load_mb: int, processors: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    path = tmp_path / "load.duckdb"
    path.touch()
    os.truncate(path, load_mb * 1_000_000)
    assert thread_count(path) == threads


def test_no_load_file_is_a_small_account(tmp_path: Path) -> None:
    assert memory_limit_mb(tmp_path / "load.duckdb") == max(200, min(300, HALF_OF_MACHINE_MB))


def test_a_draft_is_opened_with_these_limits(tmp_path: Path) -> None:
    import duckdb

    settings = Settings(warehouse_dir=tmp_path)
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("create schema raw")
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        said = connection.execute(
            "select current_setting('memory_limit'), current_setting('disabled_compression_methods')"
        ).fetchone()
    assert said is not None
    assert said[0].startswith("286.1 MiB") or HALF_OF_MACHINE_MB < 300
    assert said[1].lower() == "dictionary"
