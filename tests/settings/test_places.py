"""Where values come from: positions in files, files of other users, and what each setting's origin is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.loading import effective_settings
from referral_warehouse.settings.table import TABLE
from referral_warehouse.settings.toml_files import parsed_toml

SOURCE = "SOURCES__REFERRAL_FACTORY__"
TOKEN = "tok-planted-22cd"


def write(folder: Path, text: str | bytes, name: str = "config.toml") -> Path:
    path = folder / ".dlt" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / "home")


@pytest.mark.parametrize(
    ("content", "position"),
    [
        (b"[warehouse]\ndir = data\n", "line 2, column 7"),
        (b"[warehouse]\r\n\r\ndir == 'x'\r\n", "line 3, column 6"),
        (b"[warehouse]\ndir = 'x'\ndir = 'y'\n", "line 3, column 10"),
        (b"[warehouse\n", "line 1, column 11"),
        (b"x = [\n1,\n", "line 3, column 1, the end of the file"),
        (b"\xef\xbb\xbf[warehouse]\ndir = 'caf\xe9'", "line 2, column 11"),
        ("[warehouse]\ndir = 'é".encode() + b"\xff'", "line 2, column 9"),
        (b"# one\n\n a = '\0'", "line 3, column 7"),
        (b"a = 1\nb = " + b"9" * 5_000, "line 2, column 5"),
        (b"a = 1\n\nb = " + b"[" * 100_000, "line 3, column 5"),
        (b"\xff\xfe[\x00w\x00]\x00", "UTF-16"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line_and_column(tmp_path: Path, content: bytes, position: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path)
    assert str(path) in refused.value.message
    assert position in refused.value.message


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(0, 8), st.sampled_from(["\n", "\r\n"]))
def test_the_position_is_right_wherever_the_mistake_is(before: int, blanks: int, line_end: str) -> None:
    text = f"# a remark{line_end}" * before + " " * blanks + f"[warehouse]]{line_end}"
    with pytest.raises(ConfigurationError) as refused:
        parsed_toml(Path("config.toml"), text)
    assert f"(line {before + 1}, column {blanks + 12})" in refused.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[warehouse]\n\nkeep_snapshots = 0", "line 3, column 1"),
        ("[warehouse]\n  keep_snapshots = 'many'", "line 2, column 3"),
        ("warehouse = {keep_snapshots = true}", "line 1, column 14"),
        ("[sources.referral_factory]\n# x\ntimeout_s = 4.5", "line 3, column 1"),
        ("[sources.referral_factory]\nbase_url = 'http://example.com'", "line 2, column 1"),
        ("[warehouse.reward_units]\n'Cash' = 1", "line 1, column 12"),
    ],
)
def test_a_value_that_is_refused_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path)
    assert f"It is given in {path}, {words}." in refused.value.message


def belongs_to_another(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the process run as another user than the owner of the file: only root can change a file's owner."""
    if os.geteuid() == 0:
        os.chown(path, 54321, -1)
    monkeypatch.setattr("referral_warehouse.settings.file_owners.os.geteuid", lambda: 65_432)


def test_a_file_of_another_user_is_skipped_where_the_environment_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, f"[sources.referral_factory]\napi_token = '{TOKEN}'\nconcurrency = 2\n", "secrets.toml")
    assert load(tmp_path).concurrency == 2
    belongs_to_another(monkeypatch, path)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, **{f"{SOURCE}API_TOKEN": "own"})
    assert f"{path} belongs to the user" in refused.value.message
    assert f"only it gives {SOURCE}CONCURRENCY." in refused.value.message
    (tmp_path / "token").write_text("own")
    for token in ({f"{SOURCE}API_TOKEN": "own"}, {f"{SOURCE}API_TOKEN_FILE": "token"}):
        found = load(tmp_path, **token, **{f"{SOURCE}CONCURRENCY": "3"})
        assert found.api_token is not None
        assert found.api_token.reveal() == "own"
        assert found.concurrency == 3
        [warning] = found.warnings
        assert warning.startswith(f"{path} belongs to the user")


def test_a_file_of_another_user_without_our_settings_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "[runtime]\nlog_level = 'WARNING'\n[warehouse]\n")
    belongs_to_another(monkeypatch, path)
    assert load(tmp_path).warnings == ()


def test_files_of_root_and_of_the_user_behind_sudo_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[sources.referral_factory]\nconcurrency = 2\n")
    owner = path.stat().st_uid
    monkeypatch.setattr("referral_warehouse.settings.file_owners.ROOT", 70_000)
    monkeypatch.setattr("referral_warehouse.settings.file_owners.os.geteuid", lambda: 70_000)
    assert load(tmp_path, SUDO_UID=str(owner)).concurrency == 2
    with pytest.raises(ConfigurationError, match="belongs to the user"):
        load(tmp_path, SUDO_UID=str(owner + 1))
    monkeypatch.setattr("referral_warehouse.settings.file_owners.os.geteuid", lambda: 70_001)
    with pytest.raises(ConfigurationError, match="belongs to the user"):
        load(tmp_path, SUDO_UID=str(owner))
    monkeypatch.setattr("referral_warehouse.settings.file_owners.ROOT", owner)
    assert load(tmp_path).concurrency == 2


def test_every_setting_has_its_value_and_where_it_came_from(tmp_path: Path) -> None:
    secrets = write(tmp_path, f"[sources.referral_factory]\napi_token = '{TOKEN}'\n", "secrets.toml")
    config = write(tmp_path, "[sources.referral_factory]\nconcurrency = 2\ntimeout_s = 5\n[warehouse]\ndir = 'x'\n")
    in_home = write(tmp_path / "home", "[sources.referral_factory]\noverlap_days = 3\ntimeout_s = 6\n")
    environ = {f"{SOURCE}TIMEOUT_S": "7", "WAREHOUSE__REWARD_UNITS": '{"Cash": "EUR"}'}
    found, rows = effective_settings(environ, tmp_path, tmp_path / "home")
    assert [row.setting for row in rows] == list(TABLE)
    origins = {row.setting.attribute: row.origin for row in rows if row.origin != "default"}
    assert origins == {
        "api_token": str(secrets), "concurrency": str(config), "warehouse_dir": str(config),
        "timeout_s": f"{SOURCE}TIMEOUT_S", "overlap_days": str(in_home), "reward_units": "WAREHOUSE__REWARD_UNITS",
    }  # fmt: skip
    assert found.files == (secrets, config, in_home)
    assert (found.timeout_s, found.concurrency, found.overlap_days) == (7, 2, 3)


def test_a_file_whose_values_are_all_replaced_is_not_named_as_used(tmp_path: Path) -> None:
    write(tmp_path, "[sources.referral_factory]\nconcurrency = 2\n")
    assert load(tmp_path, **{f"{SOURCE}CONCURRENCY": "3"}).files == ()


@pytest.mark.parametrize(
    ("directory", "is_relative"), [("", True), ("x", True), ("./~", True), ("~/x", False), ("/srv/x", False)]
)
def test_whether_another_working_directory_would_be_another_warehouse(
    tmp_path: Path, directory: str, is_relative: bool
) -> None:
    assert load(tmp_path, WAREHOUSE__DIR=directory).is_directory_relative is is_relative


def test_blanks_around_a_directory_are_refused_in_files_too(tmp_path: Path) -> None:
    write(tmp_path, "[warehouse]\ndir = 'data '\n")
    with pytest.raises(ConfigurationError, match="ends with a space"):
        load(tmp_path)
