"""The lock of a warehouse directory: one writer, whatever file has its name and whichever locks the system has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import warehouse_lock
from tests.damage.damages import CONTENT, FOLDERS, KINDS

PROJECT = Path(__file__).parents[1]
WITHOUT = """
import json, os, sys
from pathlib import Path
import tests.damage.without_features
from referral_warehouse.errors import ReferralsError
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.workspace.lock import warehouse_lock
from referral_warehouse.settings import Settings

settings = Settings(warehouse_dir=Path(sys.argv[2]))

def attempt(work):
    try:
        with work():
            return "held"
    except ReferralsError as error:
        return [error.exit_code, str(error)]

def of_another_process():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps(attempt(lambda: warehouse_lock(settings.warehouse_dir))).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reading, 9999))

getattr(tests.damage.without_features, sys.argv[1])()
found = {"first": attempt(lambda: warehouse_lock(settings.warehouse_dir))}
if found["first"] == "held":
    with warehouse_lock(settings.warehouse_dir):
        found["while held"] = of_another_process()
    found["afterwards"] = of_another_process()
found["load file"] = attempt(lambda: LoadFile(settings.load_path))
print(json.dumps(found))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(warehouse_dir=tmp_path / "data")
    with warehouse_lock(found.warehouse_dir):
        pass
    return found


def held(settings: Settings) -> bool:
    with warehouse_lock(settings.warehouse_dir):
        return True


@pytest.mark.parametrize("damage", [*CONTENT, "missing"])
def test_what_the_lock_file_holds_is_of_no_meaning(settings: Settings, damage: str) -> None:
    (CONTENT | KINDS)[damage](settings.state_dir / "lock")
    assert held(settings)


@pytest.mark.parametrize("damage", [name for name in KINDS if name != "missing"])
def test_another_kind_of_file_in_its_place_is_named(settings: Settings, damage: str) -> None:
    lock = settings.state_dir / "lock"
    KINDS[damage](lock)
    with pytest.raises(ConfigurationError, match="not the lock file") as refused:
        held(settings)
    assert refused.value.exit_code == 2
    assert f"Move {lock} away" in refused.value.next_step
    lock.rename(settings.warehouse_dir / "moved away")
    assert held(settings)


@pytest.mark.parametrize("damage", [name for name in FOLDERS if name not in ("missing", "empty")])
@pytest.mark.parametrize("folder", ["state", "."])
def test_a_folder_that_is_none_is_named(settings: Settings, folder: str, damage: str) -> None:
    path = settings.warehouse_dir if folder == "." else settings.state_dir
    FOLDERS[damage](path)
    with pytest.raises(ConfigurationError, match="not a directory") as refused:
        held(settings)
    assert f"Move {path} away" in refused.value.next_step
    path.rename(path.with_name("moved away"))
    assert held(settings)


def test_a_link_to_a_file_is_not_followed(settings: Settings) -> None:
    lock = settings.state_dir / "lock"
    lock.rename(settings.state_dir / "other")
    lock.symlink_to("other")
    with pytest.raises(ConfigurationError, match="is a link") as refused:
        held(settings)
    assert f"Remove {lock}" in refused.value.next_step


def test_a_second_one_is_refused(settings: Settings) -> None:
    with warehouse_lock(settings.warehouse_dir), pytest.raises(AnotherSyncRunning):
        held(settings)
    assert held(settings)


def without(locks: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, locks, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("left", [b"", b"12345\nsomewhere\n", None], ids=["an empty file", "a record", "no file"])
def test_without_flock_the_other_kind_of_lock_is_taken(tmp_path: Path, left: bytes | None) -> None:
    (tmp_path / "state").mkdir()
    if left is not None:
        (tmp_path / "state" / "lock").write_bytes(left)
    found = without("no_flock", tmp_path)
    assert (found["first"], found["afterwards"], found["load file"]) == ("held", "held", "held")
    assert found["while held"][0] == 75


def test_a_file_system_without_features_is_reported(settings: Settings) -> None:
    found = without("no_locks", settings.warehouse_dir)
    for place in ("first", "load file"):
        code, words = found[place]
        assert code == 2
        assert "no file locks" in words
        assert "local disk" in words
