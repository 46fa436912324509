"""Where a lake is: what is accepted, what is refused, and that no password is shown."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.cli import cli
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.lake_target import LakeCatalog, _of_parameters

CATALOG, DATA = "WAREHOUSE__LAKE_CATALOG", "WAREHOUSE__LAKE_DATA"
TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / "home")


def catalog_of(text: str) -> LakeCatalog:
    found = load(Path("/base"), WAREHOUSE__LAKE_CATALOG=text).lake_catalog
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("lake.sqlite", "sqlite", "/base/lake.sqlite"),
        ("/srv/lake.sqlite3", "sqlite", "/srv/lake.sqlite3"),
        ("/srv/lake.duckdb", "duckdb", "/srv/lake.duckdb"),
        ("/srv/lake.ducklake", "duckdb", "/srv/lake.ducklake"),
        ("postgresql://db/lake", "postgres", "postgres:dbname=lake host=db"),
        ("postgres://u@db:5433/lake?sslmode=require", "postgres",
         "postgres:dbname=lake host=db port=5433 sslmode=require user=u"),
        ("postgres:dbname=lake host=/run/postgresql", "postgres", "postgres:dbname=lake host=/run/postgresql"),
        ("postgres:dbname='my lake' user='o\\'brien'", "postgres", "postgres:dbname='my lake' user='o\\'brien'"),
    ],
)  # fmt: skip
def test_a_catalog_is_a_file_or_a_database(text: str, kind: str, shown: str) -> None:
    found = catalog_of(text)
    assert (found.kind, str(found), found.password) == (kind, shown, None)


@settings(max_examples=25)
@given(TEXT, TEXT)
def test_a_password_is_read_in_both_forms_and_never_shown(user: str, password: str) -> None:
    secret = f"Zq7{password}"
    quoted = secret.replace("\\", "\\\\").replace("'", "\\'")
    for text in (
        f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@db/lake",
        f"postgres:dbname=lake host=db password='{quoted}'",
    ):
        found = catalog_of(text)
        assert found.password is not None
        assert found.password.reveal() == secret
        assert "password=***" in str(found)
        for shown in (str(found), repr(found), found.connection_text(connect_timeout="9")):
            assert secret not in shown


@settings(max_examples=50)
@given(TEXT, TEXT)
def test_parameters_are_written_as_they_are_read(user: str, database: str) -> None:
    found = LakeCatalog("postgres", None, (("dbname", database), ("user", user)))
    assert _of_parameters("NAME", found.connection_text()) == {"dbname": database, "user": user}


@pytest.mark.parametrize(
    "text",
    [
        "lake", "lake.db", "mysql://u:hunter22@db/lake", "sqlite:///lake.sqlite", "postgresql://u:hunter22@db",
        "postgresql://u:hunter22@db:port/lake", "postgresql://u:hunter22@[db/lake", "postgres:host=db hunter22",
        "postgresql://u@db/lake?pasword=hunter22", "postgres:dbname=lake pasword=hunter22",
        "postgres:dbname=lake password='hunter22", "postgres:",
    ],
)  # fmt: skip
def test_other_catalogs_are_refused_without_repeating_them(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=CATALOG) as refused:
        load(tmp_path, WAREHOUSE__LAKE_CATALOG=text)
    assert "hunter22" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, f"{CATALOG} is not set"),
        ({CATALOG: "lake.sqlite"}, f"{DATA} is not set"),
        ({DATA: "lake"}, f"{CATALOG} is not set"),
        ({CATALOG: "lake/lake.sqlite", DATA: "lake"}, "is inside"),
        ({CATALOG: "lake.sqlite", DATA: "data/lake"}, "one inside the other"),
        ({CATALOG: "lake.sqlite", DATA: "feeds", "WAREHOUSE__DELIVER_TO": "feeds/x"}, "one inside the other"),
        ({CATALOG: "lake.sqlite", DATA: "p/lake", "WAREHOUSE__PUBLISH_DIR": "p"}, "one inside the other"),
        ({"WAREHOUSE__STORAGE": "parquet"}, "must be one of duckdb, ducklake"),
    ],
)
def test_a_lake_needs_two_places_of_its_own(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load(tmp_path, **{"WAREHOUSE__STORAGE": "ducklake"} | environ)


@pytest.mark.parametrize("line", ['lake_catalog = "postgresql://db/lake"', 'lake_data = "s3://bucket/x"'])
def test_a_file_of_a_folder_cannot_send_the_data_of_another_token_away(tmp_path: Path, line: str) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(f"[warehouse]\n{line}\n")
    with pytest.raises(ConfigurationError, match="somebody else may have written"):
        load(tmp_path, SOURCES__REFERRAL_FACTORY__API_TOKEN="mine")


def test_the_settings_are_shown_without_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"WAREHOUSE__STORAGE": "ducklake", CATALOG: "postgresql://u:hunter22@db/lake", DATA: "/srv/lake"}
    for arguments in (["config"], ["config", "--json"]):
        done = CliRunner(env=environ).invoke(cli, arguments, obj={}, standalone_mode=False)
        assert done.exception is None
        assert "dbname=lake host=db user=u password=***" in done.output
        assert "hunter22" not in done.output
    rows = json.loads(done.output)["settings"]
    assert [row["value"] for row in rows if row["name"] == DATA] == ["/srv/lake"]
