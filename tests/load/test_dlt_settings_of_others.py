"""dlt's configuration is closed: no field that dlt declares is taken from the environment, however it is spelled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.load.storage.dlt_configuration import ClosedConfiguration, dlt

# isort: split
from dlt.common import logger as dlt_logger
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.pipeline import PipelineContext

from tests.sampling import sampled

PROJECT = Path(__file__).parents[2]
IMPORT_TIME = """
import json, sys, {module}
import dlt.common.time, dlt.common.schema.normalizers as naming, dlt.common.normalizers.utils as ids
from dlt.common.runtime import run_context
from dlt.common.configuration.container import Container
dlt_json = sys.modules["dlt.common.json"]
print(json.dumps([
    naming.DEFAULT_NAMING_MODULE, naming.DEFAULT_NAMING_NAMESPACE, ids.DLT_ID_LENGTH_BYTES, run_context.DOT_DLT,
    dlt_json.json.__name__, dlt_json.PUA_START, str(dlt.common.time.get_context_timezone()),
    [spec.__name__ for contexts, _ in Container().thread_contexts.values() for spec in contexts],
    {{name: value for name, value in __import__("os").environ.items() if name.startswith("DLT_")}},
]))
"""


Written = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What the program wrote, by the name of the file."""
    folder = tmp_path_factory.mktemp("fields")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.load.dlt_fields", str(folder)], cwd=PROJECT, check=True
    )
    return lambda name: dict(json.loads((folder / f"{name}.json").read_text()))


def test_the_fields_are_found(written: Written) -> None:
    found = written("hostile")
    settings = dict(found["settings"])
    assert found["specs"] > 100
    assert len(settings) > 10_000
    assert settings.keys() >= {
        "FULL_REFRESH", "DEV_MODE", "REFRESH", "SCHEMA__NAMING", "NORMALIZE__WORKERS", "LOAD__WORKERS",
        "DESTINATION__DUCKDB__CREDENTIALS__DATABASE", "RUNTIME__LOG_LEVEL", "PIPELINES__REFERRAL_WAREHOUSE__DEV_MODE",
        "REFERRAL_WAREHOUSE__REFRESH", "DATA_WRITER__FILE_MAX_ITEMS", "SOURCES__MAX_TABLE_NESTING", "DLT_DATA_DIR",
    }  # fmt: skip
    assert not [name for name in settings if name.startswith(("SOURCES__REFERRAL_FACTORY__", "WAREHOUSE__"))]


def test_no_field_is_resolved_from_the_environment(written: Written) -> None:
    result = written("closed")
    assert result["differing"] == {}
    assert result["compared"] > 3 * written("hostile")["specs"]


def test_the_comparison_detects_an_environment_that_is_read(written: Written) -> None:
    result = written("open")
    assert len(result["differing"]) > 100
    assert "dlt.config refresh" in result["differing"]


@pytest.mark.parametrize(
    "module",
    sampled(
        [
            "referral_warehouse.load.storage.dlt_resources",
            "referral_warehouse.load.storage.dlt_pipeline",
            "referral_warehouse.load.storage.dlt_destination",
        ],
        1,
    ),
)
def test_what_dlt_reads_while_it_is_imported_is_hidden_from_it(written: Written, module: str) -> None:
    direct = {name: value for name, value in written("hostile")["settings"] if name.startswith("DLT_")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DLT_")}
    seen = []
    for environ in (clean, clean | direct):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", IMPORT_TIME.format(module=module)], env=environ, cwd=PROJECT,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        *constants, contexts, left = json.loads(done.stdout)
        assert contexts == [], "importing the loader configures nothing"
        assert left == {name: value for name, value in environ.items() if name.startswith("DLT_")}
        seen.append(constants)
    assert seen[0] == seen[1]


def test_the_rest_of_the_process_keeps_its_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another dlt pipeline in the same process, as in a scheduler, is not touched by ours."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "7")
    closed = ClosedConfiguration(tmp_path)
    container = Container()
    with closed.applied():
        assert dlt.config.get("runtime.request_timeout") is None
        assert dlt.config["runtime.dlthub_telemetry"] is False
        assert dlt.current.run_context().run_dir == str(tmp_path)
        assert container[PipelineContext] is not None
        with closed.applied():
            assert dlt.config.get("runtime.request_timeout") is None
        assert dlt.config.get("runtime.request_timeout") is None
        assert dlt_logger.log_level() == "CRITICAL"
    assert PluggableRunContext not in container or dlt.config.get("runtime.request_timeout") in (7, "7")
