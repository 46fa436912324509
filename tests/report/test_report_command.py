"""`referrals report` as a command and as a part of publications: what it cannot do is one line, and nothing is left."""

from __future__ import annotations

import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.cli.exit_codes import report_end
from referral_warehouse.cli.report_file import add_missing_report, add_report
from referral_warehouse.consume.report.vega_bundle import vega_bundle
from referral_warehouse.settings import Settings
from tests.report.report_account import CAMPAIGN_NAMES


def run(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """A command on the directory of these settings. Returns: exit code, standard output, standard error."""
    environ = {"WAREHOUSE__DIR": str(settings.warehouse_dir), "HOME": str(settings.warehouse_dir.parent)}
    result = CliRunner(env=environ).invoke(cli, list(arguments), obj={}, standalone_mode=False)
    if result.exception is None:
        return 0, result.stdout, result.stderr
    return report_end(result.exception, verbose=False, as_json=False), result.stdout, str(result.exception)


def test_the_command_writes_the_file_and_names_it(published: Settings, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old", encoding="utf-8")
    code, out, _ = run(published, "report", "--out", str(path), "--campaign", CAMPAIGN_NAMES[0].upper())
    assert (code, out) == (0, f"Report: {path}\n")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--campaign", "999"], "There is no campaign '999'"),
        (["--campaign", "onmouseover alert(3)"], """Did you mean "' onmouseover='alert(3)" ("""),
        (["--campaign", ""], "There is no campaign ''"),
        (["--campaign", "\x1b[31m"], r"There is no campaign '\\x1b[31m'"),
        (["--out", "missing/r.html"], "cannot be written to"),
        (["--out", "."], "it is a directory"),
        (["--out", "/dev/null"], "it is a device"),
    ],
)
def test_bad_input_is_reported_in_one_line_and_writes_nothing(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, error = run(published, "report", *arguments)
    assert (code, out) == (2, "")
    assert words in error
    assert "\n" not in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_published_is_exit_code_4_and_creates_nothing(tmp_path: Path) -> None:
    code, out, error = run(Settings(warehouse_dir=tmp_path / "data"), "report", "--out", str(tmp_path / "r.html"))
    assert (code, out) == (4, "")
    assert "Nothing is published" in error
    assert "referrals sync" in error
    assert list(tmp_path.iterdir()) == []


def test_a_publication_has_its_report_where_that_is_set(published: Settings, tmp_path: Path) -> None:
    shutil.copytree(published.warehouse_dir, tmp_path / "data", symlinks=True)
    settings = replace(published, warehouse_dir=tmp_path / "data", report=True)
    link = settings.warehouse_dir / "report.html"
    add_report(replace(settings, report=False))
    assert not link.exists()
    add_missing_report(settings)
    assert link.is_symlink()
    assert link.resolve() == settings.warehouse_path.resolve().with_name("report.html")
    assert stat.S_IMODE(link.stat().st_mode) == 0o400, "a file of the snapshot, for its readers"
    written = link.stat().st_mtime_ns
    add_missing_report(settings)
    assert link.stat().st_mtime_ns == written
    assert "onload=alert(4)" not in link.read_text(encoding="utf-8")


def test_a_report_that_fails_is_a_warning_after_the_publication(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(published, warehouse_dir=tmp_path, report=True)
    add_report(settings)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    add_report(replace(published, report=True))
    [unpublished, missing] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "Nothing is published" in unpublished
    assert "pip install 'referral-warehouse[report]'" in missing
    assert "the publication is not affected" in missing


def test_without_the_extra_one_line_says_what_to_install(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, out, error = run(published, "report", "--out", str(tmp_path / "r.html"))
    assert (code, out) == (2, "")
    assert error.endswith("Next: Run: pip install 'referral-warehouse[report]'")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_script_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["first", "second"])
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda *_, **__: next(made))
    assert [vega_bundle(tmp_path), vega_bundle(tmp_path)] == ["first", "first"]
    [stored] = (tmp_path / "report").iterdir()
    stored.write_text(stored.read_text(encoding="utf-8") + "alert(1)", encoding="utf-8")
    assert [vega_bundle(tmp_path), vega_bundle(tmp_path)] == ["second", "second"]
