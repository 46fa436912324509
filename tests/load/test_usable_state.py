"""Where dlt has nothing to do, it is not even imported; in every doubtful case dlt opens its folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dlt.pipeline.state_sync import PIPELINE_STATE_ENGINE_VERSION

from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_state import SOURCE_NAME, STATE_FORMAT, usable_state
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from tests.load.accounts import Account
from tests.load.test_load_pipeline import working_dir

IDLE_RUN = """
import sys
from referral_warehouse.load.runner import load
from referral_warehouse.settings import load_settings
report = load(load_settings())
print(report.rows_written, report.drained, report.recovered, "dlt" in sys.modules, "sqlalchemy" in sys.modules)
"""


def test_a_run_that_finds_nothing_new_does_without_dlt(account: Account, tmp_path: Path) -> None:
    """Importing dlt is half of what such a run would cost."""
    prefix = "SOURCES__REFERRAL_FACTORY__"
    environ = os.environ | {
        f"{prefix}API_TOKEN": account.world.token, f"{prefix}BASE_URL": account.world.base_url,
        f"{prefix}CALLS_PER_MINUTE": "0", f"{prefix}SIMULATED_TIME": "true",
        "WAREHOUSE__DIR": str(account.settings.warehouse_dir),
    }  # fmt: skip

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", IDLE_RUN], env=environ, cwd=tmp_path, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run() == "0 False [] False False"
    account.world.advance(days=1)
    written, _, _, is_imported, has_sqlalchemy = run().split()
    assert int(written) > 0
    assert is_imported == "True", "dlt writes what is new"
    assert has_sqlalchemy == "False", "dlt imports it to display credentials, which takes as long as a small package"


def test_a_folder_that_dlt_has_to_open_has_no_usable_state(account: Account) -> None:
    settings, folder = account.settings, working_dir(account)

    def is_usable() -> bool:
        with LoadFile(settings.load_path) as load_file:
            return usable_state(settings.state_dir / "dlt", load_file) is not None

    assert STATE_FORMAT == PIPELINE_STATE_ENGINE_VERSION
    assert is_usable()
    state = (folder / "state.json").read_text(encoding="utf-8")
    wrong = {
        "another format": state.replace('"_state_engine_version": 4', '"_state_engine_version": 3').replace(
            '"_state_engine_version":4', '"_state_engine_version":3'
        ),
        "another state than the load file's": re.sub(r'("_version_hash": ?")[^"]', r"\1#", state),
        "no cursors": state.replace(SOURCE_NAME, "another"),
        "cut": state[:-20],
        "no object": "[]",
        "empty": "",
    }
    for what, text in wrong.items():
        assert text != state, what
        (folder / "state.json").write_text(text, encoding="utf-8")
        assert not is_usable(), what
    (folder / "state.json").unlink()
    assert not is_usable()
    (folder / "state.json").write_text(state, encoding="utf-8")
    assert is_usable()
    (folder / "load" / "normalized" / "1700000000.5").mkdir()
    assert not is_usable(), "a package is waiting"
    shutil.rmtree(settings.state_dir / "dlt")
    assert not is_usable(), "the cursors of the load file are to be used"


@pytest.mark.parametrize("leftover", ["nothing", "an empty folder", "a file"])
def test_before_the_first_package_the_state_is_empty_where_there_is_no_folder(tmp_path: Path, leftover: str) -> None:
    folder = tmp_path / "dlt"
    if leftover == "an empty folder":
        folder.mkdir()
    if leftover == "a file":
        folder.touch()
    with LoadFile(tmp_path / "load.duckdb") as load_file:
        assert usable_state(folder, load_file) == ({} if leftover == "nothing" else None)


def test_packages_that_were_renamed_are_no_reason_to_recover(account: Account) -> None:
    with LoadFile(account.settings.load_path) as load_file:
        pipeline = LoadPipeline(load_file, account.settings.state_dir, TABLES)
        before = pipeline.state("users")
        load_file.connection.execute("update raw._dlt_loads set load_id = '1' || load_id")
        load_file.connection.execute("update raw._dlt_pipeline_state set _dlt_load_id = '1' || _dlt_load_id")
        pipeline.reopen()
        assert (pipeline.state("users"), pipeline.recovered) == (before, [])
