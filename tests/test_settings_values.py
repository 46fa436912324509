"""Values of settings as files, shells and container tools really write them: read, or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import redact
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.notify import load_notify_settings
from referral_warehouse.settings.table import TABLE

SOURCE = "SOURCES__REFERRAL_FACTORY__"
NUMBER = f"{SOURCE}CONCURRENCY"
TOKEN = "tok-planted-5c1f"
BOM = "\ufeff"


def load(folder: Path, home: str | Path = "no home", /, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / home)


def write(folder: Path, text: str | bytes, name: str = "config.toml") -> Path:
    path = folder / ".dlt" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "value",
    ["4", " 4 ", "4\r", "4\r\n", '"4"', "'4'", f"{BOM}4", "\u00a04\u00a0", '" 4 "', f'"{BOM}4"', "04", "\t4"],
)
def test_what_surrounds_a_value_is_taken_off(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, **{NUMBER: value}).concurrency == 4
    given = value.replace("04", "4")
    if given == given.strip():
        assert load(tmp_path, WAREHOUSE__DIR=given).warehouse_dir == tmp_path / "4"
    else:  # a directory may have such a name: it is not silently another one
        with pytest.raises(ConfigurationError, match="WAREHOUSE__DIR begins or ends with"):
            load(tmp_path, WAREHOUSE__DIR=given)
    assert load(tmp_path, **{f"{SOURCE}API_TOKEN": value.replace("4", TOKEN)}).api_token is not None


def test_quotes_that_are_no_pair_belong_to_the_value(tmp_path: Path) -> None:
    for value in ('"data', "it's", '"a" and "b"', "'data\""):
        assert load(tmp_path, WAREHOUSE__DIR=value).warehouse_dir == tmp_path / value


@pytest.mark.parametrize("value", ["", "  ", '""', "''", BOM, "\r"])
def test_an_empty_value_is_none(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, **{NUMBER: value, "WAREHOUSE__DIR": value}) == load(tmp_path)


@pytest.mark.parametrize(
    "value",
    ["１２", "1_0", "5.0", "+5", "0x10", "true", "4 4", "٤", "1e1", "four", "-", "9" * 5_000, "4\x00", "x" * 100_000],
)
def test_a_number_is_plain_digits(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match=NUMBER) as refused:
        load(tmp_path, **{NUMBER: value})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("value", ["0", "65", "-4", "9" * 18])
def test_a_number_out_of_bounds_names_the_bounds(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="between 1 and 64"):
        load(tmp_path, **{NUMBER: value})


@pytest.mark.parametrize(
    "value", ["true", "4.0", "[4]", "{a = 4}", "2026-01-01", '"1_0"', "9" * 4_000, "0x" + "f" * 9_000]
)
def test_a_toml_type_that_is_not_a_number_is_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path, f"[sources.referral_factory]\nconcurrency = {value}\n")
    with pytest.raises(ConfigurationError, match=NUMBER) as refused:
        load(tmp_path)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("key", ["api_token", "base_url", "coupon_names_file"])
@pytest.mark.parametrize("value", ["5", "true", "5.5", "['x']", "{x = 'y'}", "2026-01-01"])
def test_a_toml_type_that_is_not_text_is_refused(tmp_path: Path, key: str, value: str) -> None:
    write(tmp_path, f"[sources.referral_factory]\n{key} = {value}\n")
    with pytest.raises(ConfigurationError, match=f"{SOURCE}{key.upper()} must be text"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["warehouse = 5", "[warehouse]\ndir = 5", "warehouse = ['dir']"])
def test_a_section_that_is_not_a_table_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"must be a table|must be text"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[sources.referral_factory]\r\nconcurrency = 4\r\n",
        f"{BOM}[sources.referral_factory]\nconcurrency = 4",
        "[sources.referral_factory]\nconcurrency = '4'",
        "[sources.referral_factory]\nconcurrency = '\"4\"'",
    ],
)
def test_toml_as_editors_of_other_systems_write_it(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert load(tmp_path).concurrency == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe[\x00w\x00]\x00", "not UTF-8"),
        (b"[warehouse]\ndir = '\xe4'", "not UTF-8"),
        (b"[warehouse]\n\0", "NUL"),
        (f"api_token = {TOKEN}".encode(), "not valid TOML"),
        (f"api_token = '{TOKEN}\n'".encode(), "not valid TOML"),
        (b"a = " + b"[" * 100_000, "not valid TOML"),
        (b"a = " + b"9" * 5_000, "not valid TOML"),
        (b"#" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_a_file_that_is_not_toml_is_named_and_not_quoted(tmp_path: Path, content: bytes, words: str) -> None:
    path = write(tmp_path, content, "secrets.toml")
    with pytest.raises(ConfigurationError, match=words) as refused:
        load(tmp_path)
    assert str(path) in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("name", ["secrets.toml", "config.toml"])
@pytest.mark.parametrize("kind", ["directory", "pipe", "device", "loop"])
def test_what_is_not_a_file_is_never_opened(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / ".dlt" / name
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)


def test_a_file_in_the_place_of_the_folder_holds_no_settings(tmp_path: Path) -> None:
    (tmp_path / ".dlt").write_text("")
    settings = load(tmp_path, Path("/dev/null"))
    assert [warning for warning in settings.warnings if "is a file" in warning] == list(settings.warnings)
    assert len(settings.warnings) == 1


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    for name in (f"{SOURCE}API_TOKEN", "WAREHOUSE__DIR", NUMBER):
        with pytest.raises(ConfigurationError, match=f"{name} is not UTF-8"):
            load(tmp_path, **{name: "caf\udce9"})


def test_a_path_that_no_file_system_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="100,000 characters"):
        load(tmp_path, WAREHOUSE__DIR="x" * 100_000)
    write(tmp_path, '[warehouse]\ndir = "a\\u0000b"')
    with pytest.raises(ConfigurationError, match="NUL"):
        load(tmp_path)


def test_files_that_others_can_read_are_named(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    expected = []
    for folder, name, text, mode, is_named in (
        (here, "secrets.toml", "", 0o600, False),
        (here, "config.toml", "[sources.referral_factory]\nconcurrency = 4", 0o644, False),
        (home, "secrets.toml", "", 0o640, True),
        (home, "config.toml", "[sources.referral_factory]\napi_token = 'x'", 0o604, True),
    ):
        path = write(folder, text, name)
        path.chmod(mode)
        expected += [f"chmod 600 {path}"] if is_named else []
    warnings = load(here, home).warnings
    assert [warning.partition("run: ")[2] for warning in warnings] == expected


@given(st.text(max_size=30))
def test_no_value_ends_in_another_error(value: str) -> None:
    for name in (NUMBER, "WAREHOUSE__DIR", f"{SOURCE}BASE_URL", f"{SOURCE}API_TOKEN", "WAREHOUSE__REWARD_UNITS"):
        with suppress(ConfigurationError):
            load_settings(environ={name: value}, folder=Path("/nonexistent"), home=Path("/nonexistent"))


@pytest.mark.parametrize(
    "token",
    [
        "731|Zk3vQ9xLm2Tn8Rb5Yc7Wd1Hf4Jg6Pk0Sa2Ue9", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlMTIzNDU2Nzg5",
        "rf_live_0a1b2c3d4e5f60718293a4b5", "https://example.com/9f8e7d6c5b4a39281706f5e4",
    ],
)  # fmt: skip
def test_a_token_in_the_place_of_another_value_is_not_quoted(token: str) -> None:
    """Nor is it logged later: a value that was taken for a token is masked from then on."""
    nowhere = Path("/nonexistent")
    errors = []
    loaders: tuple[Callable[..., object], ...] = (load_settings, load_notify_settings)
    for setting, load_all in product(TABLE, loaders):
        try:
            load_all(environ={setting.name: token}, folder=nowhere, home=nowhere)
        except ConfigurationError as error:
            errors.append(str(error))
    assert len(errors) > len(TABLE) / 2
    assert not [error for error in errors if token[-20:] in error]
    assert token[-20:] not in redact(f"told later: {token}")


@pytest.mark.parametrize("value", ["eu-west-1", "analytics_readers_2026", "/srv/data/referrals-2026-11-28", "1" * 20])
def test_what_resembles_no_token_is_quoted(value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(environ={f"{SOURCE}TIMEOUT_S": value}, folder=Path("/nonexistent"), home=Path("/nonexistent"))
    assert value in str(refused.value)
