"""The first commands work on a bare machine: the Makefile and .ci/setup are run with planted tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
TARGETS = [
    "help",
    "setup",
    "run",
    "test",
    "wheel",
    "soak",
    "lint",
    "sandbox",
    "sync",
    "build",
    "docs",
    "bench",
    "clean",
]

# All that .ci/setup, the Makefile and the planted tools may call.
TOOLS = ["sh", "make", "awk", "cat", "chmod", "dirname", "find", "grep", "mkdir", "mktemp", "rm", "tail"]

# Variables of the make or the shell that runs these tests; the planted runs must not see them.
FROM_OUTSIDE = ("MAKE", "MFLAGS", "ARGS", "DAYS", "DEMO", "PYTHON", "SOURCES__", "WAREHOUSE__")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that make reads, in a folder whose name has a space."""
    folder = tmp_path / "a check out"
    for name in ("Makefile", ".ci/setup", ".ci/run", "requirements.lock", "pyproject.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH folder with nothing but the tools every Unix has: no Python, no apt-get, no id."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"this machine lacks {tool}"
        (folder / tool).symlink_to(found)
    return folder


def _plant(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _make(
    folder: Path, *arguments: str, path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FROM_OUTSIDE)}
    environ = {**inherited, **variables} | ({"PATH": str(path)} if path else {})
    return subprocess.run(["make", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)


# Makes an environment whose Python writes down what it is asked for.
CREATES = """mkdir -p .venv/bin
  echo '#!/bin/sh' >.venv/bin/python
  echo 'echo "$@" >>asked' >>.venv/bin/python
  chmod +x .venv/bin/python"""


def _plant_python(folder: Path, *, is_new: bool = True, venv: str = "exit 1", virtualenv: str = "exit 1") -> None:
    """A Python of some version that can or cannot make environments, as Debian's without python3-venv cannot."""
    _plant(
        folder,
        "python3",
        f'case "$1 $2" in\n"-c "*) exit {0 if is_new else 1} ;;\n"-m venv") {venv} ;;\n'
        f'"-m virtualenv") {virtualenv} ;;\n"--version "*) echo Python planted ;;\nesac',
    )


def test_help_is_the_default_and_lists_every_target(checkout: Path) -> None:
    listed = _make(checkout).stdout
    assert re.findall(r"^  (\w+) +\S", listed, re.MULTILINE) == TARGETS
    assert listed == _make(checkout, "help").stdout
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) - {"always"} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_made(checkout: Path, target: str) -> None:
    done = _make(checkout, "-n", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_setup_from_nothing_installs_the_lock_once(checkout: Path, bare: Path) -> None:
    _plant_python(bare, venv=CREATES)
    first = _make(checkout, "setup", path=bare)
    assert (first.returncode, first.stderr) == (0, "")
    asked = (checkout / "asked").read_text(encoding="utf-8")
    assert "-m pip install --quiet --require-hashes -r requirements.lock\n" in asked
    assert asked.endswith("-m pip install --quiet --no-deps --no-build-isolation -e .\n-I .ci/launcher.py\n")

    assert _make(checkout, "-q", "setup", path=bare).returncode == 0
    _make(checkout, "setup", path=bare)
    assert (checkout / "asked").read_text(encoding="utf-8") == asked


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_setup_follows_a_changed_file(checkout: Path, bare: Path, name: str) -> None:
    _plant_python(bare, venv=CREATES)
    _make(checkout, "setup", path=bare)
    later = (checkout / ".venv/.ready").stat().st_mtime + 10
    os.utime(checkout / name, (later, later))
    assert _make(checkout, "-q", "setup", path=bare).returncode == 1


def test_setup_notices_that_the_folder_was_moved(checkout: Path, bare: Path) -> None:
    _plant_python(bare, venv=CREATES)
    _make(checkout, "setup", path=bare)
    moved = checkout.rename(checkout.with_name("moved away"))
    (moved / ".venv/left over").touch()
    assert _make(moved, "setup", path=bare).returncode == 0
    assert not (moved / ".venv/left over").exists()
    assert (moved / ".venv/.ready").read_text(encoding="utf-8").strip() == str(moved)


def test_setup_without_a_new_enough_python_says_so(checkout: Path, bare: Path) -> None:
    _plant_python(bare, is_new=False, venv=CREATES)
    done = _make(checkout, "setup", path=bare)
    assert done.returncode != 0
    assert "no Python of 3.11 or newer was found" in done.stderr
    assert not (checkout / ".venv").exists()


def test_setup_uses_the_python_it_is_given(checkout: Path, bare: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other place"
    elsewhere.mkdir()
    _plant_python(elsewhere, venv=CREATES)
    assert _make(checkout, "setup", f"PYTHON={elsewhere / 'python3'}", path=bare).returncode == 0


def test_setup_falls_back_to_virtualenv(checkout: Path, bare: Path) -> None:
    _plant_python(bare, virtualenv=CREATES)
    assert _make(checkout, "setup", path=bare).returncode == 0


def test_setup_as_root_installs_what_debian_leaves_out(checkout: Path, bare: Path) -> None:
    _plant(bare, "id", "echo 0")
    _plant(bare, "apt-get", 'echo "$@" >>apt; [ "$1" = update ] || [ -f updated ] || { echo 1 >updated; exit 100; }')
    _plant_python(bare, venv=f'[ "$(grep -c install apt)" = 2 ] || exit 1\n  {CREATES}')
    (checkout / "apt").touch()
    done = _make(checkout, "setup", path=bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert (checkout / "apt").read_text(encoding="utf-8").splitlines() == [
        "install -y -qq python3-venv",
        "update -qq",
        "install -y -qq python3-venv",
    ]


def test_setup_for_others_names_the_command_to_run(checkout: Path, bare: Path) -> None:
    _plant(bare, "id", "echo 1000")
    _plant(bare, "apt-get", "echo called >apt")
    _plant_python(bare)
    done = _make(checkout, "setup", path=bare)
    assert done.returncode != 0
    assert "sudo apt-get install python3-venv" in done.stderr
    assert not (checkout / "apt").exists()


def test_setup_leaves_an_environment_alone_that_is_only_linked(checkout: Path, bare: Path, tmp_path: Path) -> None:
    _plant_python(bare, venv=CREATES)
    other = tmp_path / "someone's environment"
    other.mkdir()
    (other / "kept").touch()
    (checkout / ".venv").symlink_to(other)
    assert _make(checkout, "setup", path=bare).returncode != 0
    assert [path.name for path in other.iterdir()] == ["kept"]


def test_setup_that_fails_to_install_is_not_taken_for_done(checkout: Path, bare: Path) -> None:
    _plant_python(bare, venv=CREATES.replace(">>asked'", '>>asked; [ "$2" != pip ]\''))
    done = _make(checkout, "setup", path=bare)
    assert done.returncode != 0
    assert "the packages could not be installed" in done.stderr
    assert not (checkout / ".venv/.ready").exists()


@pytest.mark.parametrize(
    ("found", "arguments", "command"),
    [
        (0, [], "sync"),
        (0, ["DEMO=1"], "demo"),
        (10, [], "demo"),
        (10, ["DAYS=3"], "demo --days 3"),
        (1, [], "sync"),  # settings that cannot be read: the command line says what is wrong with them
    ],
)
def test_run_does_the_main_job(checkout: Path, found: int, arguments: list[str], command: str) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    _plant(checkout / ".venv/bin", "python", f"exit {found}")
    _plant(checkout / ".venv/bin", "referrals", 'echo "$@" "$RUNTIME__DLTHUB_TELEMETRY" "$DO_NOT_TRACK"')
    (checkout / ".venv/.ready").write_text(f"{checkout}\n", encoding="utf-8")
    done = _make(checkout, "run", *arguments)
    assert (done.returncode, done.stdout) == (0, f"{command} false 1\n")


def test_clean_removes_everything_but_the_data(checkout: Path) -> None:
    (checkout / "data").mkdir()
    (checkout / "data/load.duckdb").touch()
    for leftover in (
        ".venv/bin",
        ".ruff_cache",
        "build",
        "referral_warehouse.egg-info",
        "pipelines/referral_warehouse/api/__pycache__",
    ):
        (checkout / leftover).mkdir(parents=True)
    assert _make(checkout, "clean").returncode == 0
    left = {str(path.relative_to(checkout)) for path in checkout.rglob("*")}
    assert left == {
        *("Makefile", ".ci", ".ci/setup", ".ci/run", "requirements.lock", "pyproject.toml"),
        *("data", "data/load.duckdb"),
        *("pipelines", "pipelines/referral_warehouse", "pipelines/referral_warehouse/api"),
    }


def test_ci_runs_lint_and_tests_and_a_short_demo_without_any_token(checkout: Path, bare: Path) -> None:
    (bare / "make").unlink()
    for tool in ("bash", "env"):
        (bare / tool).symlink_to(shutil.which(tool) or "")
    _plant(
        bare,
        "make",
        'echo "$@" "${SOURCES__REFERRAL_FACTORY__API_TOKEN-no token}" "${WAREHOUSE__DIR-no folder}" >>made',
    )
    environ = {"PATH": str(bare), "SOURCES__REFERRAL_FACTORY__API_TOKEN": "secret", "WAREHOUSE__DIR": "kept"}
    done = subprocess.run([checkout / ".ci/run"], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *checks, demo = (checkout / "made").read_text(encoding="utf-8").splitlines()
    with_lake = "ARGS=tests/end_to_end/test_forgetting_backups.py tests/warehouse/test_kills.py"
    assert checks == [
        "lint test no token no folder", f"test STORAGE=ducklake {with_lake} no token no folder",
        "soak ARGS=-k dagster no token no folder",
    ]  # fmt: skip
    assert re.fullmatch(r"run DEMO=1 DAYS=3 no token /\S+/data", demo)
