"""What is built for others to install: the package and its SQL, all of it and no more, and it runs from anywhere."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.installed.environment import Installed, build

WANTED = ("__main__.py", "sql/raw.sql", "sql/DECISIONS.md", "operate/templates/crontab.template")
METADATA = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", ".gitignore"}


def _sources(folder: Path) -> set[str]:
    """The files that belong into both packages, as the project's folder holds them."""
    endings = ("*.py", "*.template", "*.html", "*.css", "*.js")
    modules = [path for ending in endings for path in (folder / "pipelines").rglob(ending)]
    sql = [path for ending in ("*.sql", "*.md") for path in (folder / "sql").rglob(ending)]
    return {str(path.relative_to(folder)) for path in (*modules, *sql)}


def test_the_wheel_holds_the_package_and_its_sql_alone(checkout: Path, wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {
        f"referral_warehouse/{name}" if name.startswith("sql/") else name.removeprefix("pipelines/")
        for name in _sources(checkout)
    }
    assert {f"referral_warehouse/{name}" for name in WANTED} <= names


def test_the_source_distribution_holds_the_same(checkout: Path) -> None:
    built = build(checkout, "sdist", checkout / "sdist")
    with tarfile.open(built) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert names - METADATA == _sources(checkout)
    assert names >= METADATA - {".gitignore"}


def test_the_same_sources_make_the_same_wheel(checkout: Path, wheel: Path) -> None:
    assert build(checkout, "wheel", checkout / "again").read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [("--version", "referrals, version"), ("docs", "core.users"), ("schedule --kubernetes", "kind: CronJob")],
)
def test_an_installed_wheel_runs_from_any_folder(
    installed: Installed, tmp_path: Path, command: str, words: str
) -> None:
    """Without any variable, and in front of the project that the tests run from."""
    done = installed.run(*command.split(), cwd=tmp_path, environ={})
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
    where = "import referral_warehouse; print(referral_warehouse.__file__)"
    found = subprocess.run([installed.folder / "bin" / "python", "-c", where], cwd=tmp_path, env={}, check=True,
                           capture_output=True, text=True)  # fmt: skip
    assert found.stdout.startswith(str(installed.folder))
