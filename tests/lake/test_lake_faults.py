"""What is wrong with a lake is one line with the next step, before anything is read or published."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
from importlib.machinery import ModuleSpec
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.cli.lake import lake_facts, locked_lake
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake import extensions
from tests.kills.forks import run_referrals
from tests.lake.lakes import environ_of, show, with_lake

PASSWORD = "hunter22-secret"


def refused(settings: Settings) -> ReferralsError:
    """The error that a run begins with; it is one line and has no password."""
    with pytest.raises(ReferralsError) as found, locked_lake(settings):
        pass
    text = str(found.value)
    assert len(text.splitlines()) == 1
    assert "Next: " in text
    assert PASSWORD not in text
    return found.value


def test_a_catalog_in_postgresql_that_cannot_be_used(published: Settings, address: str, tmp_path: Path) -> None:
    for old, new, words in (
        (":unused-3f9c@", f":{PASSWORD}@", "password authentication failed"),
        ("postgres:unused-3f9c@", f"nobody:{PASSWORD}@", "password authentication failed"),
        ("/lake_", "/nowhere_", "does not exist"),
        ("127.0.0.1", "nowhere.invalid", "could not translate host name"),
    ):
        assert old in address
        error = refused(with_lake(published, address.replace(old, new), tmp_path / "lake"))
        assert isinstance(error, ConfigurationError)
        assert words in error.message


def test_a_catalog_that_does_not_answer_ends_a_run_before_it_begins(published: Settings, tmp_path: Path) -> None:
    catalog = f"postgresql://u:{PASSWORD}@127.0.0.1:1/lake"
    settings = with_lake(published, catalog, tmp_path / "lake")
    before = {path: path.stat().st_mtime_ns for path in settings.snapshots_dir.rglob("*")}
    environ = environ_of(settings, catalog) | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "machine")}
    ended = run_referrals(["publish"], environ, tmp_path)
    assert ended.returncode == 4, ended.stderr
    assert "Connection refused" in ended.stderr
    assert "Nothing was touched. Next: Check WAREHOUSE__LAKE_CATALOG" in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in settings.snapshots_dir.rglob("*")} == before
    facts = lake_facts(settings)
    assert facts is not None
    assert facts["is_current"] is False
    written = b"".join(path.read_bytes() for path in settings.state_dir.rglob("*") if path.is_file())
    assert PASSWORD not in ended.stdout + ended.stderr
    assert PASSWORD.encode() not in written


def test_a_file_that_is_not_a_catalog_is_refused(in_sqlite: Settings, published: Settings, tmp_path: Path) -> None:
    (tmp_path / "lake.sqlite").write_bytes(b"no database" * 1000)
    assert refused(in_sqlite).exit_code == 2
    (tmp_path / "bad.duckdb").write_bytes(b"no database" * 1000)
    assert refused(with_lake(published, tmp_path / "bad.duckdb", tmp_path / "lake")).exit_code == 2
    for name in ("x.sqlite", "x.duckdb"):
        error = refused(with_lake(published, tmp_path / "nowhere" / name, tmp_path / "lake"))
        assert isinstance(error, ConfigurationError)
        assert not (tmp_path / "nowhere").exists()


def test_a_catalog_of_another_version_or_of_other_data(in_sqlite: Settings, tmp_path: Path) -> None:
    show(in_sqlite, 1)
    other = refused(with_lake(in_sqlite, tmp_path / "lake.sqlite", tmp_path / "other"))
    assert other.exit_code == 2
    assert "does not match existing data path" in other.message
    with sqlite3.connect(tmp_path / "lake.sqlite") as catalog:
        catalog.execute("update ducklake_metadata set value = '9.0' where key = 'version'")
    catalog.close()
    error = refused(in_sqlite)
    assert error.exit_code == 2
    assert "catalog version is 9.0" in error.message


def test_an_extension_that_is_missing_or_for_another_version(
    in_sqlite: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> ModuleSpec | None:
        spec = importlib.util.find_spec(name)
        if name != "duckdb_extension_ducklake" or spec is None:
            return spec
        return ModuleSpec(name, None, origin=str(tmp_path / "package" / "__init__.py"))

    monkeypatch.setattr(extensions, "find_spec", lambda _: None)
    missing = refused(in_sqlite)
    assert "duckdb-extension-ducklake, and that is not installed" in missing.message
    assert missing.next_step == "Run: pip install 'referral-warehouse[lake]'"
    monkeypatch.setattr(extensions, "find_spec", found)
    (tmp_path / "package" / "extensions" / "v1.4.0").mkdir(parents=True)
    assert f"is for DuckDB 1.4.0, and DuckDB {duckdb.__version__} is installed" in refused(in_sqlite).message
    broken = tmp_path / "package" / "extensions" / f"v{duckdb.__version__}" / "ducklake.duckdb_extension"
    broken.parent.mkdir()
    broken.write_bytes(b"no library")
    assert "DuckDB cannot load" in refused(in_sqlite).message
    shutil.rmtree(tmp_path / "package")


def test_a_bucket_needs_keys(published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from referral_warehouse.settings.delivery_target import DeliveryTarget

    settings = with_lake(published, tmp_path / "lake.sqlite", DeliveryTarget(bucket="some-bucket", prefix="x"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set" in refused(settings).message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://u:{PASSWORD}@127.0.0.1:1")
    assert "AWS_ENDPOINT_URL must be an http" in refused(settings).message
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert refused(settings).exit_code == 4
