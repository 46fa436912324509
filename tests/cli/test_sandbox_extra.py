"""Without the packages of the extra ``sandbox`` all other commands work, and the sandbox names the missing step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import referral_warehouse.sandbox
from referral_warehouse.cli.sandbox_extra import PACKAGES
from tests.cli.processes import error_lines
from tests.imports import SourceTree

PACKAGE = Path(__file__).parents[2] / "pipelines" / "referral_warehouse"
NOT_INSTALLED = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""
COMMAND_LINE = NOT_INSTALLED + "from referral_warehouse.__main__ import main\nmain()\n"


def run(code: str, environ: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, cwd=folder, text=True, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["--help"], ["sandbox", "--help"], ["demo", "--help"], ["check"], ["sync"], ["status"]]
)
def test_commands_that_do_not_start_the_sandbox_work_without_its_packages(
    environ: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    done = run(COMMAND_LINE, environ, tmp_path, *arguments)
    nothing_published = 4 if arguments == ["status"] else 0
    assert (done.returncode, error_lines(done)) == (nothing_published, [])
    assert done.stdout


def test_every_module_outside_the_sandbox_can_be_imported_without_its_packages(
    environ: dict[str, str], tmp_path: Path
) -> None:
    others = tuple(  # have extras of their own, with the same web server
        f"referral_warehouse.{name}" for name in ("consume.agents", "consume.serving", "consume.http_server")
    )
    modules = [
        name
        for name, module in SourceTree(PACKAGE).modules.items()
        if module.part != "sandbox" and not name.startswith(others)
    ]
    assert len(modules) > 50
    modules += ["referral_warehouse.sandbox", "referral_warehouse.sandbox.quirks"]
    code = f"{NOT_INSTALLED}\nimport importlib\nfor name in {modules!r}: importlib.import_module(name)"
    done = run(code, environ, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["sandbox"], ["sandbox", "--events"], ["demo", "--days", "1"]])
def test_the_sandbox_without_its_packages_says_how_to_install_them(
    environ: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    done = run(COMMAND_LINE, environ, tmp_path, *arguments)
    assert done.returncode == 2
    [line] = error_lines(done)
    assert "The sandbox needs the package" in line
    assert line.endswith("Next: Run: pip install 'referral-warehouse[sandbox]'")
    assert not (tmp_path / "data").exists()


def test_an_unknown_name_of_the_sandbox_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Sandpit'"):
        _ = referral_warehouse.sandbox.Sandpit
