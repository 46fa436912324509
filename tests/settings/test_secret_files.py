"""Secrets that are given as a file: read as Docker, systemd and editors write them, or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import load_settings

SOURCE = "SOURCES__REFERRAL_FACTORY__"
FILE = f"{SOURCE}API_TOKEN_FILE"
TOKEN = "tok-planted-90ab"


def token_of(folder: Path, **environ: str) -> str | None:
    token = load_settings(environ=environ, folder=folder, home=folder / "home").api_token
    return None if token is None else token.reveal()


def configure(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / ".dlt" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[sources.referral_factory]\n{text}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n", " \n", "\t"])
@pytest.mark.parametrize("beginning", ["", "\ufeff", "\n"])
def test_blanks_around_the_token_are_removed(tmp_path: Path, beginning: str, ending: str) -> None:
    (tmp_path / "token").write_bytes(f"{beginning}{TOKEN}{ending}".encode())
    assert token_of(tmp_path, **{FILE: str(tmp_path / "token")}) == TOKEN


def test_the_advice_for_a_file_that_is_no_text_is_not_to_make_it_readable(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(TOKEN.encode("utf-16"))
    with pytest.raises(ConfigurationError, match="UTF-16") as refused:
        token_of(tmp_path, **{FILE: "token"})
    assert refused.value.next_step == "Write the secret alone, as UTF-8 text."


@pytest.mark.parametrize("value", ["token", "./token", '"token"', "~/token"])
def test_the_path_is_given_as_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text(TOKEN)
    assert token_of(tmp_path, **{FILE: value}) == TOKEN
    configure(tmp_path, f"api_token_file = '{value}'")
    assert token_of(tmp_path) == TOKEN


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (f"{TOKEN}\n{TOKEN}\n".encode(), "has 2 lines"),
        (f"{TOKEN}\xe9".encode("latin-1"), "not UTF-8"),
        (f"{TOKEN}\0".encode(), "NUL"),
        (TOKEN.encode() * 10_000, "larger than"),
        ("directory", "it is a directory"),
        ("pipe", "it is a pipe"),
        ("device", "it is a device"),
        ("below a file", "there is no such file"),
    ],
)
def test_a_file_without_a_token_is_refused_and_not_quoted(
    tmp_path: Path, content: bytes | str | None, words: str
) -> None:
    path = tmp_path / "token"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "directory":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content == "device":
        path.symlink_to("/dev/zero")
    elif content == "below a file":
        path.write_text(TOKEN)
        path = path / "token"
    with pytest.raises(ConfigurationError, match=words) as refused:
        token_of(tmp_path, **{FILE: str(path)})
    assert str(path) in refused.value.message
    assert FILE in refused.value.message
    assert TOKEN not in str(refused.value)


def test_a_file_that_its_reader_may_not_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN)

    def forbidden(*_arguments: object) -> int:  # root may open every file
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("referral_warehouse.workspace.text_files.os.open", forbidden)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        token_of(tmp_path / "nowhere", **{FILE: str(tmp_path / "token")})


@pytest.mark.parametrize("token_in", ["environment", "secrets.toml", "config.toml"])
@pytest.mark.parametrize("file_in", ["environment", "secrets.toml", "config.toml"])
def test_a_token_and_a_file_are_one_too_many(tmp_path: Path, token_in: str, file_in: str) -> None:
    (tmp_path / "token").write_text("another")
    environ: dict[str, str] = {}
    texts: dict[str, str] = {}
    for place, key, value in ((token_in, "api_token", TOKEN), (file_in, "api_token_file", str(tmp_path / "token"))):
        if place == "environment":
            environ[f"{SOURCE}{key.upper()}"] = value
        else:
            texts[place] = texts.get(place, "") + f"{key} = '{value}'\n"
    places = {name: str(configure(tmp_path, text, name)) for name, text in texts.items()}
    places["environment"] = "the environment"
    with pytest.raises(ConfigurationError) as refused:
        token_of(tmp_path, **environ)
    assert f"{SOURCE}API_TOKEN from {places[token_in]} to use the file" in refused.value.next_step
    assert f"{FILE} from {places[file_in]} to use the value" in refused.value.next_step
    assert TOKEN not in str(refused.value)


def test_a_file_of_a_folder_cannot_send_files_of_the_user_to_its_own_host(tmp_path: Path) -> None:
    """A file of a downloaded folder could name the user's keys and a host of its own."""
    (tmp_path / "key").write_text(TOKEN)
    configure(tmp_path, f"api_token_file = '{tmp_path / 'key'}'\nbase_url = 'https://api.example.com/v1'")
    with pytest.raises(ConfigurationError, match=r"is not sent to api\.example\.com"):
        token_of(tmp_path)


@given(st.text(max_size=20))
def test_no_path_ends_in_another_error(value: str) -> None:
    environ = {FILE: f"/nonexistent/{value}"}
    with pytest.raises(ConfigurationError, match=FILE):
        load_settings(environ, Path("/nonexistent"), Path("/nonexistent"))
