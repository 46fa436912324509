"""Settings of other dlt pipelines, wherever dlt would find them, change nothing that is loaded or published.

Real processes: two syncs in a clean environment, one with the settings, one without them again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.day_by_day import DayByDay
from tests.sampling import sampled

PROJECT = Path(__file__).parents[2]
NAMED: list[dict[str, str]] = [
    {"FULL_REFRESH": "true"},
    {"DEV_MODE": "true"},
    {"REFRESH": "drop_data"},
    {"REFRESH": "drop_sources"},
    {"PIPELINES__REFERRAL_WAREHOUSE__REFRESH": "drop_resources"},
    {"SCHEMA__NAMING": "sql_cs_v1"},
    {
        "DESTINATION__DUCKDB__CREATE_INDEXES": "true", "DESTINATION__ENABLE_DATASET_NAME_NORMALIZATION": "false",
        "DESTINATION__REPLACE_STRATEGY": "staging-optimized", "DESTINATION__STAGING_DATASET_NAME_LAYOUT": "other_%s",
    },
    {"NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false", "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "true"},
    {"NORMALIZE__WORKERS": "3", "NORMALIZE__START_METHOD": "spawn", "EXTRACT__WORKERS": "0"},
    {"LOAD__RAISE_ON_FAILED_JOBS": "false", "LOAD__WORKERS": "4", "LOAD__TRUNCATE_STAGING_DATASET": "true"},
    {"DATA_WRITER__FILE_MAX_ITEMS": "7", "DATA_WRITER__BUFFER_MAX_ITEMS": "3", "SOURCES__SCHEMA_CONTRACT": "freeze"},
    {"RESTORE_FROM_DESTINATION": "false", "DATASET_NAME": "elsewhere", "DATASET_NAME_LAYOUT": "prefix_%s"},
    {"RUNTIME__LOG_LEVEL": "DEBUG", "RUNTIME__SENTRY_DSN": "https://key@localhost/1", "RUNTIME__DLTHUB_TELEMETRY": "1"},
    {"DLT_DEFAULT_NAMING_MODULE": "sql_cs_v1", "DLT_INTERVAL_TIMEZONE": "Asia/Tokyo", "DLT_USE_JSON": "simplejson"},
]  # fmt: skip


@pytest.fixture(scope="module")
def every_field(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every field that dlt declares, under every spelling, with a value that is not its default."""
    folder = tmp_path_factory.mktemp("fields")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.load.dlt_fields", str(folder)], cwd=PROJECT, check=True,
        capture_output=True,
    )  # fmt: skip
    return dict(json.loads((folder / "hostile.json").read_text())["settings"])


def assert_without_effect(
    account: DayByDay, directory: Path, changes: Mapping[str, str] | None = None, home: Path | None = None
) -> None:
    """Sync day 2 with the settings and day 3 without them; what is published is right after each."""
    account.copy(directory)
    done = account.sync(account.servers[2], directory, changes, home)
    assert done.returncode == 0, done.stderr
    assert "DEBUG" not in done.stderr
    account.assert_right(directory, 2)
    done = account.sync(account.servers[3], directory)
    assert done.returncode == 0, done.stderr
    account.assert_right(directory, 3)
    assert {entry.name for entry in directory.iterdir()} == {entry.name for entry in account.directory.iterdir()}


@pytest.mark.full
@pytest.mark.parametrize("changes", sampled(NAMED, 1), ids=lambda changes: next(iter(changes)))
def test_a_setting_of_another_pipeline_has_no_effect(
    account: DayByDay, tmp_path: Path, changes: dict[str, str]
) -> None:
    assert_without_effect(account, tmp_path / "data", changes)


@pytest.mark.parametrize("is_for_this_pipeline", sampled([False, True], 1), ids=["for all", "for this pipeline"])
def test_all_fields_at_once_in_the_environment_have_no_effect(
    account: DayByDay, every_field: dict[str, str], tmp_path: Path, is_for_this_pipeline: bool
) -> None:
    """In two halves: the system limits how large an environment may be."""
    half = {
        name: value for name, value in every_field.items()
        if name.startswith("REFERRAL_WAREHOUSE__") is is_for_this_pipeline
    }  # fmt: skip
    assert len(half) > 5_000
    assert_without_effect(account, tmp_path / "data", half)


@pytest.mark.full  # half a minute; the environment is tested always
def test_all_fields_at_once_in_files_have_no_effect(
    account: DayByDay, every_field: dict[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for folder in (home / ".dlt", home / "dlt"):
        folder.mkdir(parents=True)
        for name in ("config.toml", "secrets.toml"):
            (folder / name).write_text(toml_of(every_field), encoding="utf-8")
            (folder / name).chmod(0o600)
    assert_without_effect(account, tmp_path / "data", {"XDG_DATA_HOME": str(home)}, home)


ONE_SNAPSHOT = {"WAREHOUSE__KEEP_SNAPSHOTS": "1", "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0"}


@pytest.mark.full
def test_our_own_settings_go_on_working_among_them(
    account: DayByDay, every_field: dict[str, str], tmp_path: Path
) -> None:
    """The names of this project are read by it, never by dlt."""
    directory = account.copy(tmp_path / "data")
    some = {name: value for name, value in every_field.items() if name.count("__") < 2}
    done = account.sync(account.servers[2], directory, some | ONE_SNAPSHOT)
    assert done.returncode == 0, done.stderr
    assert len(list((directory / "snapshots").iterdir())) == 1


def toml_of(settings: Mapping[str, str]) -> str:
    """The settings as tables; a name that is both a value and a table stays a table."""
    root: dict[str, Any] = {}
    for name, value in sorted(settings.items(), key=lambda item: -item[0].count("__")):
        *sections, key = name.lower().split("__")
        table = root
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                break
        else:
            table.setdefault(key, value)
    root.pop("warehouse", None)  # our own section's name
    return "\n".join(_lines(root, ()))


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"[{'.'.join(path)}]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict))
    for key, inner in table.items():
        if isinstance(inner, dict):
            yield from _lines(inner, (*path, key))
