"""The token is written nowhere, and only the owner can read the data of people.

A token that occurs nowhere else is planted and then searched for in everything that a command leaves behind or says.
"""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings
from tests.end_to_end.fronting import FrontServer
from tests.kills.forks import Forks

TOKEN = "tok-planted-7f3a9c41d2"
PREFIX = "SOURCES__REFERRAL_FACTORY__"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment without the token: it is in a file that only its owner can read."""
    foreign = ("SOURCES__", "WAREHOUSE__", "HTTP", "ALL_PROXY", "NO_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    (tmp_path / "here" / ".dlt").mkdir(parents=True)
    secrets = tmp_path / "here" / ".dlt" / "secrets.toml"
    secrets.write_text(f'[sources.referral_factory]\napi_token = "{TOKEN}"\n')
    secrets.chmod(0o600)
    return kept | {
        f"{PREFIX}CALLS_PER_MINUTE": "0",
        f"{PREFIX}SIMULATED_TIME": "true",
        "WAREHOUSE__DIR": str(tmp_path / "data"),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "machine"),
    }


@pytest.fixture
def spell(environ: dict[str, str], tmp_path: Path, forks: Forks) -> Callable[..., tuple[int, str]]:
    """Run a command with every umask open: its code and all it says."""

    def run(*arguments: str) -> tuple[int, str]:
        done = forks.referrals(arguments, environ, tmp_path / "here", umask=0)
        return done.returncode, done.stdout + done.stderr

    return run


def files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            yield path


def readings(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and where they are packed also what they hold."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield str(duckdb.sql(f"from '{path}'").fetchall()).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                yield str(connection.execute(f'from "{schema}"."{table}"').fetchall()).encode()
            if ("raw", "_dlt_pipeline_state") in tables:  # dlt packs its state
                for (state,) in connection.execute("select state from raw._dlt_pipeline_state").fetchall():
                    unpacked = zlib.decompress(base64.b64decode(state))
                    assert b"swept_at" in unpacked or b"first_run" in unpacked or b"pipeline_name" in unpacked
                    yield unpacked


def test_the_token_is_nowhere_and_the_data_for_the_owner_alone(
    environ: dict[str, str], spell: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    said: list[str] = []

    def echo(path: str, _asked: dict[str, str]) -> tuple[int, bytes] | None:
        """A server that repeats the request, as debugging pages do."""
        return (echoes, f'{{"message": "bad Authorization: Bearer {TOKEN}"}}'.encode()) if echoes else None

    echoes = 0
    with (
        Sandbox(users=60, seed=5, token=TOKEN, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, echo) as front,
    ):
        environ[f"{PREFIX}BASE_URL"] = front.base_url
        for arguments in (
            ["sync", "--json"],
            ["--log-format", "json", "--verbose", "sync", "--sweep"],
            ["status", "--json"],
        ):
            code, words = spell(*arguments)
            assert code == 0, words
            said.append(words)
        for status, expected, command in ((401, 3, "sync"), (422, 4, "load"), (403, 3, "check")):
            echoes = status
            code, words = spell("--verbose", command)
            assert code == expected, words
            assert "Traceback" in words
            said.append(words)
        echoes = 0
        sandbox.set_quirks(Quirks(redirect_to=f"https://elsewhere.example.com/{TOKEN}"))
        said.append(spell("--verbose", "check")[1])
        assert "redirect" in said[-1]
        assert {call.method for call in sandbox.calls} == {"GET"}

    assert [words for words in said if TOKEN in words] == []
    holders = [
        path for path in files(tmp_path) if path.is_file() and any(TOKEN.encode() in text for text in readings(path))
    ]
    assert holders == [tmp_path / "here" / ".dlt" / "secrets.toml"]
    names = [path for path in files(tmp_path) if TOKEN in str(path)]
    assert names == []

    kept = [path for folder in ("data", "machine") for path in (tmp_path / folder, *files(tmp_path / folder))]
    assert {"load.duckdb", "warehouse.duckdb", "manifest.json", "core.users.parquet"} <= {path.name for path in kept}
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in kept}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    frozen = {path for path, mode in modes.items() if path.is_file() and not mode & 0o200}
    snapshots = tmp_path / "data" / "snapshots"
    assert {path for path in frozen if not path.is_symlink() and path.is_relative_to(snapshots)} == {
        path for path in kept if path.is_file() and path.is_relative_to(snapshots)
    }


def test_the_process_list_does_not_show_it(environ: dict[str, str], tmp_path: Path) -> None:
    with Sandbox(users=60, seed=5, token=TOKEN, calls_per_minute=0, quirks=Quirks(slow_every=2, slow_s=60.0)) as slow:
        process = subprocess.Popen(
            [sys.executable, "-m", "referral_warehouse", "sync"], env=environ | {f"{PREFIX}BASE_URL": slow.base_url},
            cwd=tmp_path / "here", stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not slow.calls:
                assert process.poll() is None
                time.sleep(0.02)
            shown = [
                text
                for path in Path("/proc").glob("[0-9]*/cmdline")
                if (text := _read(path)) and str(tmp_path) not in text
            ]
            own = _read(Path(f"/proc/{process.pid}/cmdline"))
            threads = [_read(path) for path in Path(f"/proc/{process.pid}/task").glob("*/comm")]
        finally:
            process.kill()
            process.wait()
    assert "referral_warehouse" in own
    assert len(shown) > 1
    assert [text for text in (*shown, *threads) if TOKEN in text] == []


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""  # it ended meanwhile


def test_the_load_file_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used from a program with an open umask: files are created with the right mode, not changed afterwards."""
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    before = os.umask(0)
    try:
        settings = replace(Settings(), warehouse_dir=tmp_path / "data")
        with LoadFile(settings.load_path) as load_file:
            load_file.connection.execute("create table people as select 'ada@example.com' as email")
            modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files(tmp_path)}
    finally:
        os.umask(before)
    assert modes["load.duckdb"] == "0o600"
    assert modes["data"] == "0o700"
    assert {mode for name, mode in modes.items() if name != "data"} == {"0o600"}
    with LoadFile(settings.load_path) as load_file:
        assert load_file.connection.execute("from people").fetchall() == [("ada@example.com",)]
