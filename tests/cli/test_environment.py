"""Commands as real processes in surroundings that libraries do not expect: they work, or exit 2 names the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX, Referrals, error_lines
from tests.sampling import sampled

GONE = "mkdir gone && cd gone && rmdir ../gone"
NOBODY = "54321"  # a number without a name and a home, as containers give it


def in_shell(
    line: str,
    environ: dict[str, str],
    folder: Path,
    start: Sequence[str] = (sys.executable, "-m", "referral_warehouse"),
) -> subprocess.CompletedProcess[str]:
    """A command line of ``sh``, in which ``"$@"`` starts the program."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *start], env=environ, cwd=folder, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


def assert_reason(done: subprocess.CompletedProcess[str], words: str) -> None:
    """Exit 2 with one line that holds some words and is no bug's."""
    assert done.returncode == 2, done.stderr
    [line] = error_lines(done)
    assert words in line
    assert " Next: " in line


@pytest.mark.parametrize("home", sampled([None, "", "relative", "/nonexistent", "/dev/null", "/etc/passwd"], 3))
def test_no_home_is_needed(environ: dict[str, str], tmp_path: Path, home: str | None) -> None:
    del environ["HOME"]
    del environ["XDG_STATE_HOME"]
    done = in_shell('exec "$@" strikes', environ if home is None else environ | {"HOME": home}, tmp_path)
    assert (done.returncode, error_lines(done)) == (0, [])


@pytest.mark.parametrize("state", sampled(["relative", "/dev/null", "/proc/none", "/etc/passwd"], 2))
def test_a_state_folder_that_cannot_be_used_is_replaced(referrals: Referrals, state: str) -> None:
    done = referrals("check", XDG_STATE_HOME=state)
    assert done.returncode == 0, done.stderr


@pytest.mark.full  # tests/installed/test_any_machine.py shows it where even less is given
def test_a_user_without_a_name_and_a_home_syncs(environ: dict[str, str], tmp_path: Path) -> None:
    """Where the tests run as root, a user of that number reads what root may read, and owns nothing."""
    if os.geteuid() != 0:
        start: tuple[str, ...] = (sys.executable, "-m", "referral_warehouse")
    else:
        capability = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        start = ("setpriv", *user, *capability, sys.executable, "-m", "referral_warehouse")
    folder = tmp_path / "of nobody"
    folder.mkdir()
    folder.chmod(0o777)
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.geteuid() and above.stat().st_mode & 0o111 != 0o111:
            above.chmod(above.stat().st_mode | 0o111)
    del environ["HOME"]
    del environ["XDG_STATE_HOME"]
    environ["WAREHOUSE__DIR"] = str(folder / "data")
    done = in_shell('exec "$@" sync', environ, Path("/"), start)
    assert (done.returncode, error_lines(done)) == (0, [])


@pytest.mark.usefixtures("synced")
@pytest.mark.parametrize("command", sampled(["sync", "status", "docs", "strikes", "build", "check"], 3))
def test_a_deleted_working_directory_does_not_matter_where_paths_are_absolute(
    environ: dict[str, str], tmp_path: Path, command: str
) -> None:
    done = in_shell(f'{GONE} && exec "$@" {command}', environ, tmp_path)
    assert (done.returncode, error_lines(done)) == (0, [])


def test_a_deleted_working_directory_is_named_where_a_path_is_relative(environ: dict[str, str], tmp_path: Path) -> None:
    relative = environ | {"WAREHOUSE__DIR": "data"}
    assert_reason(in_shell(f'{GONE} && exec "$@" status', relative, tmp_path), "WAREHOUSE__DIR (data)")


@pytest.mark.full
def test_no_folder_for_temporary_files_is_needed(environ: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import tempfile\n"
        "def none(): raise FileNotFoundError(2, 'No usable temporary directory')\n"
        "tempfile._get_default_tempdir = none\n"
        "from referral_warehouse.__main__ import main\nmain()"
    )
    done = in_shell('exec "$@" sync', environ, tmp_path, (sys.executable, "-c", code))
    assert (done.returncode, error_lines(done)) == (0, [])


@pytest.mark.usefixtures("synced")
def test_a_token_that_others_can_read_is_warned_of_by_sync_and_load(referrals: Referrals, tmp_path: Path) -> None:
    path = tmp_path / ".dlt" / "secrets.toml"
    path.parent.mkdir()
    path.write_text("")
    for mode, is_warned in ((0o644, True), (0o600, False)):
        path.chmod(mode)
        for command in ("sync", "load"):
            done = referrals(command)
            assert done.returncode == 0, done.stderr
            assert [f"chmod 600 {path}" in line for line in error_lines(done)] == [True] * is_warned
    path.chmod(0o640)
    assert '"event":"settings"' in referrals("--log-format", "json", "load").stderr


def test_the_token_of_the_environment_stays_with_its_host(
    environ: dict[str, str], referrals: Referrals, tmp_path: Path
) -> None:
    del environ[f"{PREFIX}BASE_URL"]
    del environ[f"{PREFIX}CALLS_PER_MINUTE"]
    environ["HOME"] = str(tmp_path / "home")
    config = tmp_path / ".dlt" / "config.toml"
    config.parent.mkdir()
    config.write_text("[sources.referral_factory]\nbase_url = 'https://api.example.com/v1'\n")
    for command in ("sync", "load", "check"):
        done = referrals(command)
        assert_reason(done, "is not sent to api.example.com")
        assert environ[f"{PREFIX}API_TOKEN"] not in done.stderr


@pytest.mark.parametrize("kind", sampled(["/dev/zero", "/dev/random", "pipe", "folder", "sparse", "nul", "latin-1"], 4))
def test_a_names_file_that_is_not_a_text_file_is_refused_at_once(
    referrals: Referrals, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "names"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 10 * 1024**3)
    elif kind in ("nul", "latin-1"):
        path.write_bytes(b"A\0B" if kind == "nul" else b"caf\xe9")
    done = referrals("load", **{f"{PREFIX}COUPON_NAMES_FILE": kind if kind.startswith("/") else str(path)})
    assert_reason(done, "COUPON_NAMES_FILE")


@pytest.mark.full
def test_a_names_file_of_another_system_is_read(referrals: Referrals, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(b"\xef\xbb\xbfSPRING\r\nSUMMER\r\n")
    done = referrals("load", **{f"{PREFIX}COUPON_NAMES_FILE": '"names"'})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "changes",
    sampled(
        [
            {"TZ": ":/nonexistent", "PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
            {"TZ": "Foo/Bar", "PYTHONOPTIMIZE": "2", "LANG": "xx_YY", "OPENSSL_CONF": "/nonexistent"},
            {"TZ": "<+99>-99", "PYTHONINTMAXSTRDIGITS": "640", "LC_ALL": "tr_TR.UTF-8", "TERM": ""},
        ],
        1,
    ),
    ids=["warnings", "optimised", "digits"],
)
@pytest.mark.full
def test_settings_of_python_and_of_the_system_change_nothing(referrals: Referrals, changes: dict[str, str]) -> None:
    done = referrals("sync", **changes)
    assert (done.returncode, error_lines(done)) == (0, [])


def test_help_does_not_need_docstrings(referrals: Referrals) -> None:
    assert "Load, compare counts, build, check and publish" in referrals("sync", "--help", PYTHONOPTIMIZE="2").stdout


@pytest.mark.parametrize("columns", sampled(["0", "1", "-5", "abc", "1000000000", "²", "9" * 5_000], 3))
def test_output_to_no_terminal_is_plain_text(referrals: Referrals, sandbox: Sandbox, columns: str) -> None:
    claims = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}
    del sandbox
    for arguments in (["status"], ["--help"], ["sync", "--streams", "nonsense"]):
        done = referrals(*arguments, COLUMNS=columns, LINES=columns, JUPYTER_COLUMNS=columns, **claims)
        assert done.returncode == {"status": 4, "--help": 0, "sync": 2}[arguments[0]], done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert max(map(len, done.stdout.splitlines()), default=0) < 400


def test_file_names_beyond_the_locale_work_or_are_refused(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "WAREHOUSE__DIR": str(tmp_path / "größe")}
    assert_reason(in_shell('exec "$@" status', environ, tmp_path), "WAREHOUSE__DIR")
    launched = in_shell('exec "$@" load --json', environ, tmp_path, (str(Path(sys.executable).with_name("referrals")),))
    assert launched.returncode == 0, launched.stderr
    assert (tmp_path / "größe" / "load.duckdb").is_file()


@pytest.mark.full
@pytest.mark.parametrize("closed", sampled(["<&- >&- 2>&-", "<&- >&-", "<&-", ">&-", "2>&-"], 1))
def test_closed_streams_never_become_files(environ: dict[str, str], tmp_path: Path, closed: str) -> None:
    done = in_shell(f'exec "$@" sync {closed}', environ, tmp_path)
    assert done.returncode == 0, done.stderr
    done = in_shell('exec "$@" build --json', environ, tmp_path)
    assert done.returncode == 0, done.stderr
