"""``referrals init``: the token is asked for, tried, and written; without a token that works nothing is written."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral_warehouse.cli import cli
from referral_warehouse.cli.secrets_file import SecretsFile
from referral_warehouse.errors import ApiUnavailable, AuthenticationError, ConfigurationError, ReferralsError
from tests.account_server import AccountServer
from tests.cli.processes import PREFIX

TOKEN = "tok-planted-63ef"
PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>cf_chl</body></html>"
Init = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[AccountServer]:
    with AccountServer() as running:
        yield running


@pytest.fixture
def environ(server: AccountServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    server.errors = {}
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "WAREHOUSE__"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    own = {
        f"{PREFIX}BASE_URL": server.base_url, f"{PREFIX}CALLS_PER_MINUTE": "0", "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "xdg"),
    }  # fmt: skip
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return own


@pytest.fixture
def init(environ: dict[str, str]) -> Init:
    def run(given: str = f"{TOKEN}\n", **changes: str) -> Result:
        done = CliRunner().invoke(cli, ["init"], input=given, env=changes)
        assert TOKEN not in done.output + str(done.exception)
        return done

    return run


def secrets(folder: Path) -> Path:
    return folder / ".dlt" / "secrets.toml"


@pytest.mark.parametrize("given", [f"{TOKEN}\n", TOKEN, f'"{TOKEN}"\r\n', f"  Bearer {TOKEN} \n", f"{TOKEN}\nmore\n"])
def test_a_token_that_works_is_written(init: Init, tmp_path: Path, given: str) -> None:
    done = init(given)
    assert done.exit_code == 0, done.exception
    assert tomllib.loads(secrets(tmp_path).read_text()) == {"sources": {"referral_factory": {"api_token": TOKEN}}}
    assert stat.S_IMODE(secrets(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / ".dlt").iterdir()] == ["secrets.toml"]
    for subject in ("token: accepted", "date filters", "coupons with users", f"The token is in {secrets(tmp_path)}"):
        assert subject in done.output
    again = init("another-token\n")
    assert again.exit_code == 0, again.exception
    assert "another-token" in secrets(tmp_path).read_text()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, b'{"message": "Unauthenticated."}'), AuthenticationError, "Settings > API"),
        ((403, b'{"message": "The API is for paid plans."}'), AuthenticationError, "Settings > API"),
        ((403, PAGE), ApiUnavailable, "whatever the token"),
        ((401, PAGE), ApiUnavailable, "whatever the token"),
        ((200, PAGE), ApiUnavailable, "whatever the token"),
        ((403, b"error code: 1020"), ApiUnavailable, "whatever the token"),
        (
            (404, b'{"message": "Not found"}'),
            ConfigurationError,
            "Check the path of SOURCES__REFERRAL_FACTORY__BASE_URL",
        ),
        (
            (200, b"<html><title>Shop</title></html>"),
            ApiUnavailable,
            "Check the path of SOURCES__REFERRAL_FACTORY__BASE_URL",
        ),
    ],
)
def test_a_token_that_does_not_work_is_not_written(
    init: Init, server: AccountServer, tmp_path: Path, answer: tuple[int, bytes], kind: type[ReferralsError], words: str
) -> None:
    server.errors["campaigns"] = answer
    done = init()
    assert type(done.exception) is kind
    assert words in done.exception.next_step
    assert not (tmp_path / ".dlt").exists()


@pytest.mark.parametrize(
    "given", ["", "\n", "  \n", '""\n', "\ufeff\n", "Bearer \n", "two words\n", "tok\x00en\n", "x" * 9_000]
)
def test_what_is_not_a_token_is_refused(init: Init, tmp_path: Path, given: str) -> None:
    assert isinstance(init(given).exception, ConfigurationError)
    assert not (tmp_path / ".dlt").exists()


def test_the_token_is_hidden_while_it_is_typed(environ: dict[str, str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", "init"], env=os.environ | environ, cwd=tmp_path, stdin=theirs,
        stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while b"not shown): " not in said:
            said += os.read(ours, 1024)
        os.write(ours, f"{TOKEN}\n".encode())
        while process.poll() is None or said[-1:] != b"\n" or b"Next: referrals sync" not in said:
            try:
                said += os.read(ours, 1024)
            except OSError:  # the other end is closed
                break
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert process.returncode == 0, said
    assert b"token: accepted" in said
    assert TOKEN.encode() not in said
    assert TOKEN in secrets(tmp_path).read_text()


EXISTING = """\
# my settings
[runtime]
log_level = "WARNING"  # quiet

[sources.another]
api_token = 'keep-me'

[sources.referral_factory]   # ours
concurrency = 4
api_token = ""  # put it here
"""


def write(folder: Path, text: str, name: str = "secrets.toml") -> Path:
    path = folder / ".dlt" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    path.chmod(0o644)
    return path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (EXISTING, EXISTING.replace('api_token = ""', f'api_token = "{TOKEN}"')),
        (
            EXISTING.replace("\n", "\r\n"),
            EXISTING.replace('api_token = ""', f'api_token = "{TOKEN}"').replace("\n", "\r\n"),
        ),
        ("", f'[sources.referral_factory]\napi_token = "{TOKEN}"\n'),
        ("sources.referral_factory.api_token = 'old'\n", f'sources.referral_factory.api_token = "{TOKEN}"\n'),
        ("# nothing\n[a]\nb = 1\n", f'# nothing\n[a]\nb = 1\n\n[sources.referral_factory]\napi_token = "{TOKEN}"\n'),
    ],
)
def test_the_rest_of_a_file_stays_as_it_is(init: Init, tmp_path: Path, before: str, after: str) -> None:
    path = write(tmp_path, before)
    done = init()
    assert done.exit_code == 0, done.exception
    assert path.read_bytes().decode().lstrip("\n") == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


KEYS = st.sampled_from(["a", "b-c", "api_token", "concurrency", '"x.y"'])
TABLES = st.sampled_from(
    ["a", "sources", "sources.x", "sources.referral_factory", "warehouse", "a.b", "sources.referral_factory.users"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(TABLES, st.lists(KEYS, unique=True, max_size=3), st.sampled_from(["", "# é\n", "\n"])), max_size=6
    )
)
def test_a_file_keeps_all_other_values_or_is_left_as_it_was(
    tmp_path: Path, tables: list[tuple[str, list[str], str]]
) -> None:
    text = "".join(f"{remark}[{name}]\n" + "".join(f"{key} = 'v'\n" for key in keys) for name, keys, remark in tables)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    path = write(tmp_path, text)
    try:
        SecretsFile(tmp_path).write(TOKEN)
    except ConfigurationError:
        assert path.read_text() == text
        return
    before.setdefault("sources", {}).setdefault("referral_factory", {})["api_token"] = TOKEN
    assert tomllib.loads(path.read_text()) == before
    assert [line for line in text.splitlines() if "é" in line] == [
        line for line in path.read_text().splitlines() if "é" in line
    ]


def prepare(folder: Path, what: str) -> None:
    path = secrets(folder)
    if what == "file for a folder":
        path.parent.write_text("")
        return
    path.parent.mkdir()
    if what == "link":
        (folder / "vault").write_text("")
        path.symlink_to(folder / "vault")
    elif what == "folder for a file":
        path.mkdir()
    elif what == "no TOML":
        path.write_text("[x\n")
    elif what == "file in use":
        write(folder, f"[sources.referral_factory]\napi_token_file = '{folder / 'token'}'\n", "config.toml")
        (folder / "token").write_text("x")
    elif what == "unknown name":
        write(folder, "[warehouse]\ndirectory = 'x'\n", "config.toml")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("link", "is a link, not a file"),
        ("folder for a file", "is a directory, not a file"),
        ("file for a folder", "is a file, not a directory"),
        ("no TOML", "not valid TOML (line 1, column 3)"),
        ("file in use", "API_TOKEN_FILE is given in"),
        ("unknown name", "did you mean dir in [warehouse]?"),
    ],
)
def test_obstacles_to_writing_the_token_are_reported_before_anything_is_sent(
    init: Init, server: AccountServer, tmp_path: Path, what: str, words: str
) -> None:
    prepare(tmp_path, what)
    server.errors["campaigns"] = (500, b"must not be asked")
    done = init()
    assert isinstance(done.exception, ConfigurationError)
    assert words in done.exception.message


def test_a_token_in_the_environment_is_not_written_over(init: Init, tmp_path: Path) -> None:
    done = init(**{f"{PREFIX}API_TOKEN": "from-the-environment"})
    assert isinstance(done.exception, ConfigurationError)
    assert "API_TOKEN is given in the environment" in done.exception.message
    assert not (tmp_path / ".dlt").exists()


def test_a_folder_does_not_name_the_host_for_a_token_that_is_typed(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"{PREFIX}BASE_URL")
    monkeypatch.delenv(f"{PREFIX}CALLS_PER_MINUTE")
    write(tmp_path, "[sources.referral_factory]\nbase_url = 'https://api.example.com/v1'\n", "config.toml")
    done = init()
    assert isinstance(done.exception, ConfigurationError)
    assert "is not sent to api.example.com" in done.exception.message
