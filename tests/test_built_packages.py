"""What is built for others to install: the package and its SQL, all of it and no more, and it runs from anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
WANTED = ("__main__.py", "sql/raw.sql", "sql/DECISIONS.md", "operate/templates/crontab.template")
METADATA = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", ".gitignore"}
STRAY = (
    "pipelines/referral_warehouse/api/transport.py~",
    "pipelines/referral_warehouse/__pycache__/transport.cpython-311.pyc",
    "sql/core/notes.txt",
    "pipelines/referral_warehouse/key.pem",
)


def _sources(folder: Path) -> set[str]:
    """The files that belong into both packages, as the project's folder holds them."""
    modules = [
        path
        for ending in ("*.py", "*.template", "*.html", "*.css", "*.js")
        for path in (folder / "pipelines").rglob(ending)
    ]
    sql = [path for ending in ("*.sql", "*.md") for path in (folder / "sql").rglob(ending)]
    return {str(path.relative_to(folder)) for path in (*modules, *sql)}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with what an editor or a run may leave beside the sources."""
    folder = tmp_path_factory.mktemp("build") / "a check out"
    folder.mkdir()
    for name in ("pipelines", "sql", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(PROJECT / name, folder / name)
    for name in STRAY:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("stray")
    return folder


def _build(checkout: Path, target: str, into: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into], cwd=checkout, check=True,
        capture_output=True,
    )  # fmt: skip
    [built] = into.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    return _build(checkout, "wheel", checkout / "wheel")


def test_the_wheel_holds_the_package_and_its_sql_alone(checkout: Path, wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {
        f"referral_warehouse/{name}" if name.startswith("sql/") else name.removeprefix("pipelines/")
        for name in _sources(checkout)
    }
    assert {f"referral_warehouse/{name}" for name in WANTED} <= names


def test_the_source_distribution_holds_the_same(checkout: Path) -> None:
    built = _build(checkout, "sdist", checkout / "sdist")
    with tarfile.open(built) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert names - METADATA == _sources(checkout)
    assert names >= METADATA - {".gitignore"}


def test_the_same_sources_make_the_same_wheel(checkout: Path, wheel: Path) -> None:
    assert _build(checkout, "wheel", checkout / "again").read_bytes() == wheel.read_bytes()


def test_an_installed_wheel_runs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """From a folder of its own, in front of the project that the tests run from."""
    installed, elsewhere = tmp_path / "installed", tmp_path / "else where"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", installed, wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    start = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import referral_warehouse; "
        f"assert referral_warehouse.__file__.startswith({str(installed)!r}); "
        "from referral_warehouse.__main__ import main; main()"
    )
    for command, words in (
        ("--version", "referrals, version"), ("docs", "core.users"), ("schedule --kubernetes", "kind: CronJob"),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", start, *command.split()], cwd=elsewhere, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert words in done.stdout
